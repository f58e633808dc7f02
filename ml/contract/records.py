"""What passes between server, database and pipeline, one record per fact. No pixels, no names."""

from typing import Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ml.contract.quality import ImageStatistics

Channel = Literal["predict", "batch_predict", "inference_protocol"]
Role = Literal["production", "canary", "shadow"]
LedgerAction = Literal[
    "register",
    "gate",
    "approve",
    "promote",
    "refuse",
    "rollback",
    "canary",
    "shadow",
    "withdraw",
    "key",
    "review",
    "accept",
    "release",
    "discard",
    "export",
    "archive",
]

QueueKind = Literal["low_confidence", "disagreement", "outlier", "drift", "random"]
"""Why an image that production answered is labelled by a person: the model was unsure of it, its
members differ, it is unlike the training images, it shows what drifted, or chance chose it."""

QUEUE_KINDS: tuple[QueueKind, ...] = get_args(QueueKind)

ReviewKind = Literal["conflict", "suspect", "tie", QueueKind]
"""Why an image is looked at: look-alikes carry other labels, models that never saw it disagree with
its label, it joins a past test to other splits, or it is of the queue."""

ReviewState = Literal["open", "kept", "relabelled", "moot", "labelled", "expired"]

FeedbackSource = Literal["correction", "review", "sample"]
"""Who asked for a label: nobody, the queue, or the part of it that chance chose."""

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
    answered. `disagreement` is that of the members, None where the model does not tell.
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
    disagreement: float | None = None
    site: str | None = None
    scanner: str | None = None
    total_ms: float
    role: Role = "production"
    shadow_of: str | None = None
    instead_of: str | None = None


class FeedbackRecord(_Record):
    """A person's label for an answered image.

    `blinded`: whether the person had not seen the model's answer; None where nobody knows.
    """

    feedback_id: str
    request_id: str
    at: AwareDatetime
    label: str
    author: str = Field(min_length=1, max_length=200, pattern=_STORABLE)
    comment: str = Field(default="", max_length=2000, pattern=_STORABLE)
    source: FeedbackSource = "correction"
    blinded: bool | None = None


class ReviewItem(_Record):
    """An image that a person should look at, and what that person decided.

    `evidence` is small and plain; `state` is `open`, then `kept` (the label stands; a tie was
    looked at) or `relabelled` (`label` takes its place in the next dataset), or `moot` while what
    raised the question is gone. An image of the queue becomes `labelled`, or `expired` when nobody
    looked in time; somebody may hold it, and `revealed_at` is when the model's answer was shown.
    """

    review_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    image_id: str
    kind: ReviewKind
    evidence: dict[str, object]
    since: AwareDatetime
    state: ReviewState = "open"
    label: str | None = None
    decided_by: str | None = None
    decided_at: AwareDatetime | None = None
    reason: str = ""
    held_by: str | None = None
    held_at: AwareDatetime | None = None
    skipped: int = 0
    revealed_at: AwareDatetime | None = None

    @property
    def is_blinded(self) -> bool:
        """Whether its label was given before the model's answer was shown."""
        shown, decided = self.revealed_at, self.decided_at
        return shown is None or (decided is not None and decided <= shown)


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
