"""A quarantined file's record: why it was refused, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

State = Literal["waiting", "released", "accepted", "discarded", "expired"]
OPEN: tuple[State, ...] = ("waiting", "released")
"""States in which the content is kept."""
Content = Literal["delivered", "pixels", "none"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fault(_Record):
    """Why a file was refused, for machines.

    `expectation`, `column`, `observed` and `bound` are those of the expectation that failed, null
    for other faults. Only numbers are kept of what was observed.
    """

    code: str
    reason: str
    expectation: str | None = None
    column: str | None = None
    observed: float | None = None
    bound: dict[str, float | str | list[str]] = Field(default_factory=dict)


class Event(_Record):
    """What happened to the file, when, by whom (a batch or a person) and why."""

    at: AwareDatetime
    state: State
    by: str
    reason: str


class QuarantinedImage(_Record):
    """A file kept aside. `quarantine_id` is the sha256 of its content, or the fingerprint of a file
    of which there was none to keep.

    `faults` are those of the last refusal. `content` is `delivered` where the file itself is kept,
    `pixels` where it was gone and the stored image stands for it. `image_id` is null where it
    could not be decoded. `fingerprint` is that of the file as it came, or will come, to ingest.
    """

    quarantine_id: str
    faults: list[Fault] = Field(min_length=1)
    label: str | None
    site: str | None
    batch_id: str
    image_id: str | None
    fingerprint: str
    content: Content
    file_bytes: int
    state: State
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    history: list[Event]

    @property
    def code(self) -> str:
        """The main fault's."""
        return self.faults[0].code

    @property
    def reasons(self) -> list[str]:
        """The faults, in words."""
        return [fault.reason for fault in self.faults]

    def with_event(self, event: Event, **changes: object) -> "QuarantinedImage":
        """The record after an event; one that was noted before is not noted twice."""
        last = self.history[-1] if self.history else None
        same = last and (last.state, last.by, last.reason) == (event.state, event.by, event.reason)
        history = self.history if same else [*self.history, event]
        return self.model_copy(update={**changes, "state": event.state, "history": history})


def refusal(faults: Sequence[Fault], batch_id: str, at: datetime) -> Event:
    """The event of being refused by a batch's validation or ingest."""
    reasons = "; ".join(fault.reason for fault in faults)
    return Event(at=at, state="waiting", by=f"batch {batch_id}", reason=reasons)
