"""What registry operations return."""

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegisteredVersion(_Result):
    """A version in the registry; `bundle_sha256` is the identity of what it serves."""

    name: str
    version: str
    run_key: str
    run_id: str
    bundle_sha256: str
    dataset_id: str
    url: str


class Promotion(_Result):
    """Which version `production` now names, and which it named before."""

    name: str
    version: str
    replaced: str | None
    bundle_sha256: str
