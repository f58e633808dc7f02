"""What the gates read, from stages that evaluation does not import: only the fields are named."""

from collections.abc import Sequence
from typing import Protocol


class LeakEvidence(Protocol):
    """The leak audit of the frozen dataset."""

    @property
    def cross_split_groups(self) -> int:
        """Groups (patient or near-duplicates) found in more than one split."""

    @property
    def exact_copies(self) -> int:
        """Images that stand in the dataset more than once."""

    @property
    def conflicting_groups(self) -> int:
        """Groups whose images look alike and carry different labels."""


class BlessingEvidence(Protocol):
    """What a real server process did with the candidate."""

    @property
    def passed(self) -> bool:
        """Whether it answered all golden and hostile requests as it must."""

    @property
    def failures(self) -> Sequence[str]:
        """What went wrong, as sentences."""

    @property
    def load_seconds(self) -> float:
        """From process start to ready."""

    @property
    def p99_ms(self) -> float:
        """99th percentile of the answer time."""

    @property
    def rss_mb(self) -> float:
        """Resident memory after the replay."""

    @property
    def rollback_seconds(self) -> float | None:
        """To the incumbent or back, the longer; None where it was not tried."""
