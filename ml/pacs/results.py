"""What is said of a study, and what a round with the archive came to."""

from pydantic import BaseModel, ConfigDict, Field


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageFinding(_Result):
    """The server's answer about one image of a study. `heat_map` is a PNG to be stretched over
    the image."""

    sop_instance_uid: str
    request_id: str
    label: str
    decision: str
    reasons: list[str]
    probabilities: dict[str, float]
    model: str
    version: str
    bundle: str
    heat_map: bytes | None = None


class PacsRound(_Result):
    """One look at the archive. `since` is where the next one goes on.

    Studies count as answered when their report is in the archive; `known` ones had theirs before.
    """

    since: int
    studies: int = Field(ge=0)
    known: int = Field(ge=0)
    images: int = Field(ge=0)
    refused: int = Field(ge=0)
