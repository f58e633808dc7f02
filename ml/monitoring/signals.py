"""Which columns are watched."""

from dataclasses import dataclass

import pandas as pd

from ml.contract.quality import STATISTIC_NAMES
from ml.monitoring.results import SignalKind
from ml.monitoring.windows import ANSWER, EMBEDDING_PREFIX, SCORE_PREFIX, WindowInvalid


@dataclass(frozen=True, slots=True)
class Signal:
    """One watched column."""

    name: str
    kind: SignalKind

    @property
    def numerical(self) -> bool:
        """Whether the column holds numbers; the answers are categories."""
        return self.kind != "answer"


def signals_of(reference: pd.DataFrame, current: pd.DataFrame) -> list[Signal]:
    """Image statistics, embedding components, probabilities and the answers.

    Raises:
        WindowInvalid: the window lacks a column of the reference.
    """
    names = list(reference.columns)
    signals = [
        *(Signal(name, "image") for name in STATISTIC_NAMES),
        *(Signal(name, "embedding") for name in names if name.startswith(EMBEDDING_PREFIX)),
        *(Signal(name, "score") for name in names if name.startswith(SCORE_PREFIX)),
        Signal(ANSWER, "answer"),
    ]
    missing = [signal.name for signal in signals if signal.name not in current]
    if missing:
        raise WindowInvalid(
            f"The window lacks {', '.join(missing)}.",
            remedy="Compare it with the reference of the model that answered.",
        )
    return signals
