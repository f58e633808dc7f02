"""What the service gives back for an image, and the record of it that goes into the log."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from ml.contract.records import Channel, ModelIdentity, PredictionRecord, Role
from serving.inference import Finding


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an image comes from, as far as the client says so."""

    site: str | None = None
    scanner: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One finding, the model it came from, and the id under which it is in the log.

    `role`, `shadow_of` and `instead_of` are those of `PredictionRecord`; `seconds` is wall time
    by stage.
    """

    request_id: str
    model: ModelIdentity
    finding: Finding
    seconds: dict[str, float]
    role: Role = "production"
    shadow_of: str | None = None
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An image of a batch that was not answered, and why; what the log tells of it names the id."""

    request_id: str
    error: Exception


def new_id() -> str:
    """An id that no other request has."""
    return uuid.uuid4().hex


def record_of(answer: Answer, channel: Channel, origin: Origin) -> PredictionRecord:
    """The answer as the log keeps it, dated now."""
    finding = answer.finding
    return PredictionRecord(
        request_id=answer.request_id,
        at=datetime.now(UTC),
        channel=channel,
        image_id=finding.image_id,
        model=answer.model,
        label=finding.decision.label,
        action=finding.decision.action,
        reasons=finding.decision.reasons,
        probabilities=finding.probabilities,
        embedding=finding.embedding,
        statistics=finding.statistics,
        disagreement=finding.disagreement,
        site=origin.site,
        scanner=origin.scanner,
        total_ms=sum(answer.seconds.values()) * 1e3,
        role=answer.role,
        shadow_of=answer.shadow_of,
        instead_of=answer.instead_of,
    )
