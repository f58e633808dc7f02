"""One Evidently run over the watched signals: its scores decide, its page is what people read."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

# Evidently reads this when it is imported: nothing of a hospital's data is counted elsewhere.
os.environ["DO_NOT_TRACK"] = "1"

from evidently import DataDefinition, Dataset, Report
from evidently.core.report import Snapshot
from evidently.metrics import DriftedColumnsCount, ValueDrift

from ml.monitoring.signals import Signal
from ml.monitoring.statistic import Statistic

_SAMPLE_SEED = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores by signal name, and the run behind them."""

    scores: dict[str, float]
    snapshot: Snapshot

    def save_html(self, path: Path) -> None:
        """Write Evidently's page (some MB: it holds its own scripts)."""
        self.snapshot.save_html(str(path))


def sampled(frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    """At most `limit` rows, the same ones each time."""
    return frame if len(frame) <= limit else frame.sample(limit, random_state=_SAMPLE_SEED)


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    signals: Sequence[Signal],
    statistic: Statistic,
    limits: Mapping[str, float],
) -> Comparison:
    """Run Evidently on exactly these signals with exactly these limits.

    Evidently's automatic tests (row counts within 10 % and the like) are left out: what decides
    is the score of each signal against its limit.
    """
    names = [signal.name for signal in signals]
    definition = DataDefinition(
        numerical_columns=[signal.name for signal in signals if signal.numerical],
        categorical_columns=[signal.name for signal in signals if not signal.numerical],
    )
    methods = {signal.name: statistic.test(signal.numerical).name for signal in signals}
    report = Report(
        [
            DriftedColumnsCount(
                columns=names, per_column_method=methods, per_column_threshold=dict(limits)
            ),
            *(
                ValueDrift(column=name, method=methods[name], threshold=limits[name])
                for name in names
            ),
        ],
        include_tests=False,
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # constant columns divide by zero and score 0
        snapshot = report.run(
            Dataset.from_pandas(current[names], data_definition=definition),
            Dataset.from_pandas(reference[names], data_definition=definition),
        )
        measured = {
            metric["config"]["column"]: float(metric["value"])
            for metric in snapshot.dict()["metrics"]
            if "column" in metric["config"]
        }
    return Comparison({name: measured[name] for name in names}, snapshot)
