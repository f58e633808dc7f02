"""What passes between server, database and pipeline, one record per fact. No pixels, no names."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ml.contract.quality import ImageStatistics

Channel = Literal["predict", "batch_predict", "inference_protocol"]
Role = Literal["production", "canary", "shadow"]
LedgerAction = Literal[
    "register", "gate", "approve", "promote", "refuse", "rollback", "canary", "shadow", "withdraw"
]

# PostgreSQL stores no NUL character.
_STORABLE = r"^[^\x00]*$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelIdentity(_Record):
    """Which model answered: registered name, registry version, sha256 of the bundle."""

    name: str
    version: str
    bundle: str


class PredictionRecord(_Record):
    """One answered image. `image_id` is the sha256 of its decoded pixels.

    `role` is what the model was to the server: `production` is the one it follows, a `canary`
    answers a share in its place, a `shadow` is scored without answering. `shadow_of` is the
    request whose image the shadow saw; `instead_of` the version that failed before this one
    answered.
    """

    request_id: str
    at: AwareDatetime
    channel: Channel
    image_id: str
    model: ModelIdentity
    label: str
    action: Literal["report", "refer"]
    reasons: list[str]
    probabilities: dict[str, float]
    embedding: list[float]
    statistics: ImageStatistics
    site: str | None = None
    scanner: str | None = None
    total_ms: float
    role: Role = "production"
    shadow_of: str | None = None
    instead_of: str | None = None


class FeedbackRecord(_Record):
    """A person's label for an answered image."""

    feedback_id: str
    request_id: str
    at: AwareDatetime
    label: str
    author: str = Field(min_length=1, max_length=200, pattern=_STORABLE)
    comment: str = Field(default="", max_length=2000, pattern=_STORABLE)


class LedgerEntry(_Record):
    """One line of the ledger; `entry_hash` covers all other fields and the line before."""

    sequence: int
    at: AwareDatetime
    actor: str
    action: LedgerAction
    subject: str
    reason: str
    evidence: dict[str, object]
    previous_hash: str
    entry_hash: str
