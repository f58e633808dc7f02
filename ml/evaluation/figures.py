"""The figures of one evaluation, as PNG files, each with the words that go under it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.contract.decision import DecisionPolicy
from ml.evaluation.confusion_figure import draw_confusion
from ml.evaluation.curve_figures import draw_precision_recall, draw_roc
from ml.evaluation.probability_figures import draw_critical_probabilities, draw_reliability
from ml.evaluation.results import EvaluationReport
from ml.evaluation.selective_figure import draw_selective_risk
from ml.evaluation.slice_figure import draw_slices

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


def draw_figures(
    folder: Path,
    report: EvaluationReport,
    probabilities: Floats,
    labels: Ints,
    policy: DecisionPolicy,
) -> list[Path]:
    """Draw a report.

    Args:
        folder: where the PNG files go.
        probabilities: (n, classes), those that the report measured.
        labels: (n,) true label indices.
        policy: the one that the report applied.
    """
    return [
        draw_confusion(report, folder / "confusion.png"),
        draw_roc(report, probabilities, labels, folder / "roc.png"),
        draw_precision_recall(report, probabilities, labels, folder / "precision_recall.png"),
        draw_reliability(report, folder / "reliability.png"),
        draw_critical_probabilities(
            report, probabilities, labels, policy, folder / "critical_probability.png"
        ),
        draw_selective_risk(report, folder / "selective_risk.png"),
        draw_slices(report, folder / "slices.png"),
    ]
