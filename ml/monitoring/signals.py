"""Which columns are watched."""

from dataclasses import dataclass

from ml.contract.quality import STATISTIC_NAMES
from ml.monitoring.results import SignalKind
from ml.monitoring.windows import (
    ACCEPTED,
    ACTION,
    ANSWER,
    DISTANCE,
    ORIGINS,
    QUALITY,
    REJECTED,
    SCORE_PREFIX,
    component_names,
)

_NUMBERS: tuple[SignalKind, ...] = ("image", "embedding", "score")
_DISTANCES: tuple[SignalKind, ...] = (*_NUMBERS, "origin", "label_shift")


@dataclass(frozen=True, slots=True)
class Signal:
    """One watched column.

    `categories` are None for numbers, and for categories that the reference alone knows. `told` is
    the one whose share a person wants to read.
    """

    name: str
    kind: SignalKind
    categories: tuple[str, ...] | None = None
    told: str | None = None

    @property
    def numerical(self) -> bool:
        """Whether the column holds numbers rather than categories."""
        return self.kind in _NUMBERS

    @property
    def is_distance(self) -> bool:
        """Whether its effect is held against the floor of distances, not that of shares."""
        return self.kind in _DISTANCES


def signals_of(labels: list[str], components: int) -> list[Signal]:
    """Image statistics, embedding, probabilities, answers, referrals, rejects, origins.

    Args:
        labels: those of the bundle.
        components: of the embedding.
    """
    return [
        *(Signal(name, "image") for name in STATISTIC_NAMES),
        *(Signal(name, "embedding") for name in (*component_names(components), DISTANCE)),
        *(Signal(f"{SCORE_PREFIX}{label}", "score") for label in labels),
        Signal(ANSWER, "answer", tuple(labels)),
        Signal(ACTION, "referral", ("report", "refer"), told="refer"),
        Signal(QUALITY, "quality", (ACCEPTED, REJECTED), told=REJECTED),
        *(Signal(name, "origin") for name in ORIGINS),
    ]
