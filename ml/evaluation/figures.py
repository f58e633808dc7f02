"""Figures of one evaluation, as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from ml.evaluation import metrics, style
from ml.evaluation.results import EvaluationReport, Interval

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


def draw_figures(
    folder: Path, report: EvaluationReport, probabilities: Floats, labels: Ints
) -> list[Path]:
    """Confusion matrix, ROC curves, reliability and slices of a report.

    Args:
        folder: where the PNG files go.
        probabilities: (n, classes), those that the report measured.
        labels: (n,) true label indices.
    """
    return [
        draw_confusion(report, folder / "confusion.png"),
        draw_roc(report, probabilities, labels, folder / "roc.png"),
        draw_reliability(report, folder / "reliability.png"),
        draw_slices(report, folder / "slices.png"),
    ]


def draw_confusion(report: EvaluationReport, path: Path) -> Path:
    """Counts, shaded by the share of each true label."""
    counts = np.array(report.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(report.labels)
    canvas, (panel,) = style.figure(5.2, 4.6)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.set_xticks(range(size), report.labels)
    panel.set_yticks(range(size), report.labels)
    for row, column in np.ndindex(counts.shape):
        shade = "white" if shares[row, column] > 0.55 else style.INK
        panel.text(
            column,
            row - 0.06,
            str(counts[row, column]),
            ha="center",
            va="center",
            color=shade,
            fontsize=14,
        )
        panel.text(
            column,
            row + 0.2,
            f"{shares[row, column]:.0%}",
            ha="center",
            va="center",
            color=shade,
            fontsize=9,
        )
    style.describe(panel, title=f"Answers on {report.images} images", x="answer", y="truth")
    return style.save(canvas, path)


def draw_roc(report: EvaluationReport, probabilities: Floats, labels: Ints, path: Path) -> Path:
    """One curve per label against the others; a label that cannot be drawn is left out."""
    canvas, (panel,) = style.figure(5.4, 5.0)
    panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    for index, row in enumerate(report.per_label):
        if row.auc is None:
            continue
        false_rate, true_rate = metrics.roc_curve(labels == index, probabilities[:, index])
        panel.plot(
            false_rate,
            true_rate,
            color=style.PALETTE[index % len(style.PALETTE)],
            linewidth=2,
            label=f"{row.label}  {row.auc.estimate:.3f} ({row.auc.lower:.3f}–{row.auc.upper:.3f})",
        )
    panel.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc="lower right", frameon=False, fontsize=9, title="AUC (interval)")
    style.describe(
        panel, title="Each label against the others", x="1 − specificity", y="sensitivity"
    )
    return style.save(canvas, path)


def draw_reliability(report: EvaluationReport, path: Path) -> Path:
    """Share right over top probability; each dot bears its number of images."""
    bins = report.reliability
    canvas, (panel,) = style.figure(5.4, 5.0)
    panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    confidence = [part.confidence for part in bins]
    accuracy = [part.accuracy for part in bins]
    panel.plot(confidence, accuracy, color=style.ACCENT, linewidth=1.2, alpha=0.6)
    sizes = [30 + 400 * part.n / report.images for part in bins]
    panel.scatter(confidence, accuracy, s=sizes, color=style.ACCENT, zorder=3)
    for part in bins:
        panel.annotate(
            str(part.n),
            (part.confidence, part.accuracy),
            fontsize=8,
            color=style.INK,
            xytext=(0, -21),
            textcoords="offset points",
            ha="center",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
        )
    panel.set(xlim=(0, 1.04), ylim=(0, 1.06), aspect="equal")
    error = report.calibration_error
    style.describe(
        panel,
        title=f"Calibration error {error.estimate:.3f} ({error.lower:.3f}–{error.upper:.3f})",
        x="mean top probability (beside each dot: number of images)",
        y="share right",
    )
    return style.save(canvas, path)


def draw_slices(report: EvaluationReport, path: Path) -> Path:
    """Accuracy and critical sensitivity per slice as a forest plot beside the whole."""
    names = [f"all images  (n = {report.images})"]
    names += [
        f"{part.dimension.replace('_', ' ')}: {part.value}  (n = {part.n})"
        for part in report.slices
    ]
    columns: list[tuple[str, Sequence[Interval | None]]] = [
        ("accuracy", [report.accuracy, *(part.accuracy for part in report.slices)]),
        (
            f"{report.critical_label} sensitivity",
            [report.critical_sensitivity, *(part.critical_sensitivity for part in report.slices)],
        ),
    ]
    canvas, panels = style.figure(9.6, 1.5 + 0.34 * len(names), columns=2)
    rows = np.arange(len(names))[::-1]
    for panel, (title, intervals) in zip(panels, columns, strict=True):
        _forest(panel, rows, intervals)
        style.describe(panel, title=title, x="", y="")
        panel.set_yticks(rows, names if panel is panels[0] else [""] * len(names))
        panel.set_ylim(-0.6, len(names) - 0.4)
        panel.set_xlim(right=1.01)
    return style.save(canvas, path)


def _forest(panel: Axes, rows: Ints, intervals: Sequence[Interval | None]) -> None:
    whole = intervals[0]
    if whole is not None:
        panel.axvline(whole.estimate, color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    lowest = min((item.lower for item in intervals if item is not None), default=0.0)
    panel.set_xlim(left=max(0.0, np.floor(10 * lowest - 0.5) / 10))
    for row, interval in zip(rows, intervals, strict=True):
        if interval is None:
            panel.text(
                0.98,
                row,
                "too few images",
                transform=panel.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=8,
                color=style.MUTED,
                style="italic",
            )
            continue
        panel.plot([interval.lower, interval.upper], [row, row], color=style.ACCENT, linewidth=2)
        panel.plot(interval.estimate, row, "s", color=style.ACCENT, markersize=6)
