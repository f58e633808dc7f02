"""Evidently's page of the watched signals, with our verdict on each of them."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

# Evidently reads this when it is imported: nothing of a hospital's data is counted elsewhere.
os.environ["DO_NOT_TRACK"] = "1"

from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.metrics import DriftedColumnsCount, ValueDrift

from ml.monitoring.results import SignalDrift

_METHOD = "vigie"
_NUMERICAL = ("image", "embedding", "score")


def write_evidently_page(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    signals: Sequence[SignalDrift],
    rate: float,
    path: Path,
) -> None:
    """Write a page (some MB: it holds its own scripts) that charts the signals in this order.

    Evidently draws the rows given. Its drift score is a signal's effect, and drift is detected
    where the signal drifted, as judged on all images: the page and the record say the same.

    Args:
        signals: those that are columns of both frames.
        rate: the false discovery rate at which they were judged.
    """
    names = [signal.name for signal in signals]
    numerical = [signal.name for signal in signals if signal.kind in _NUMERICAL]
    definition = DataDefinition(
        numerical_columns=numerical,
        categorical_columns=[name for name in names if name not in numerical],
    )
    _judge_by({signal.name: signal for signal in signals}, rate)
    report = Report(
        [
            DriftedColumnsCount(columns=names, per_column_method=dict.fromkeys(names, _METHOD)),
            *(ValueDrift(column=name, method=_METHOD) for name in names),
        ],
        include_tests=False,
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # constant columns divide by zero
        snapshot = report.run(
            Dataset.from_pandas(current[names], data_definition=definition),
            Dataset.from_pandas(reference[names], data_definition=definition),
        )
        snapshot.save_html(str(path))


def _judge_by(verdicts: Mapping[str, SignalDrift], rate: float) -> None:
    """Evidently finds its tests by name in a registry of the process."""

    def verdict(_: pd.Series, current: pd.Series, *__: object) -> tuple[float, bool]:
        signal = verdicts[str(current.name)]
        return signal.effect, signal.drifted

    register_stattest(
        StatTest(
            name=_METHOD,
            display_name=f"distance, false discovery rate {rate:.0%}",
            allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
        ),
        default_impl=verdict,
    )
