"""How well each label is ranked before the others: ROC and precision–recall curves."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve

from ml.evaluation import metrics, style
from ml.evaluation.results import EvaluationReport, Interval

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


def draw_roc(report: EvaluationReport, probabilities: Floats, labels: Ints, path: Path) -> Path:
    """One curve per label against the others; a label that cannot be drawn is left out.

    The dot is where the decision rule works: its sensitivity and specificity.
    """
    canvas, (panel,) = style.figure(5.4, 5.0)
    panel.plot([0, 1], [0, 1], **style.CHANCE)
    for index, row in enumerate(report.per_label):
        if row.auc is None:
            continue
        false_rate, true_rate = metrics.roc_curve(labels == index, probabilities[:, index])
        curve = _curve(panel, index, false_rate, true_rate, row.label, row.auc)
        if row.sensitivity is not None and row.specificity is not None:
            _dot(panel, curve, 1 - row.specificity.estimate, row.sensitivity.estimate)
    _finish(panel, legend="AUC (interval)", corner="lower right")
    style.describe(
        panel, title="Each label against the others", x="1 − specificity", y="sensitivity"
    )
    return style.save(canvas, path)


def draw_precision_recall(
    report: EvaluationReport, probabilities: Floats, labels: Ints, path: Path
) -> Path:
    """One curve per label; the dotted line of its colour is the share of images that have it,
    the precision of guessing. The dot is where the decision rule works.
    """
    canvas, (panel,) = style.figure(5.4, 5.0)
    for index, row in enumerate(report.per_label):
        if row.average_precision is None:
            continue
        precision, recall, _ = precision_recall_curve(labels == index, probabilities[:, index])
        curve = _curve(panel, index, recall, precision, row.label, row.average_precision)
        panel.axhline(row.n / report.images, color=curve, linewidth=1, linestyle=style.DOTTED)
        if row.sensitivity is not None and row.precision is not None:
            _dot(panel, curve, row.sensitivity.estimate, row.precision.estimate)
    _finish(panel, legend="average precision (interval)", corner="lower left")
    style.describe(
        panel, title="Precision over sensitivity", x="sensitivity (recall)", y="precision"
    )
    return style.save(canvas, path)


def _curve(panel: Axes, index: int, x: Floats, y: Floats, label: str, area: Interval) -> str:
    colour = style.PALETTE[index % len(style.PALETTE)]
    text = f"{label}  {area.estimate:.3f} ({area.lower:.3f}–{area.upper:.3f})"
    panel.step(x, y, where="post", color=colour, linewidth=2, label=text)
    return colour


def _dot(panel: Axes, colour: str, x: float, y: float) -> None:
    panel.plot(x, y, "o", color=colour, markersize=8, markeredgecolor="white", zorder=4)


def _finish(panel: Axes, *, legend: str, corner: str) -> None:
    panel.set(xlim=(-0.02, 1.02), ylim=(0, 1.02), aspect="equal")
    if panel.get_legend_handles_labels()[0]:
        panel.legend(
            loc=corner, fontsize=9, title=legend, framealpha=0.9, edgecolor="none", borderpad=0.6
        )
