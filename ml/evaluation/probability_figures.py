"""What the probabilities say: whether they hold, and how far apart they keep the classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import LogLocator, NullLocator

from ml.contract.decision import DecisionPolicy
from ml.evaluation import style
from ml.evaluation.results import EvaluationReport

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
_BINS = 25


def draw_reliability(report: EvaluationReport, path: Path) -> Path:
    """Share right over top probability; each dot bears its number of images."""
    bins = report.reliability
    canvas, (panel,) = style.figure(5.4, 5.0)
    panel.plot([0, 1], [0, 1], **style.CHANCE)
    confidence = [part.confidence for part in bins]
    accuracy = [part.accuracy for part in bins]
    panel.plot(confidence, accuracy, color=style.ACCENT, linewidth=1.2, alpha=0.6)
    sizes = np.array([30 + 400 * part.n / report.images for part in bins])
    panel.scatter(confidence, accuracy, s=sizes, color=style.ACCENT, zorder=3)
    for part, radius in zip(bins, np.sqrt(sizes) / 2, strict=True):
        # Towards the side of the diagonal where no dot is: below dots that lie under it.
        below = part.accuracy <= part.confidence
        panel.annotate(
            str(part.n),
            (part.confidence, part.accuracy),
            fontsize=8.5,
            color=style.INK,
            xytext=(0, -(radius + 5) if below else radius + 5),
            textcoords="offset points",
            ha="center",
            va="top" if below else "bottom",
        )
    panel.set(xlim=(0, 1.06), ylim=(0, 1.1), aspect="equal")
    error = report.calibration_error
    style.describe(
        panel,
        title=f"Calibration error {error.estimate:.3f} ({error.lower:.3f}–{error.upper:.3f})",
        x="mean top probability (beside each dot: number of images)",
        y="share right",
    )
    return style.save(canvas, path)


def draw_critical_probabilities(
    report: EvaluationReport,
    probabilities: Floats,
    labels: Ints,
    policy: DecisionPolicy,
    path: Path,
) -> Path:
    """The critical label's probability, one histogram per true label, over a shared axis.

    From the line on, the critical label is the answer; inside the band the image is referred.
    Counts are on a logarithmic scale: the few images on the wrong side are the ones to see.
    """
    critical = report.labels.index(policy.critical_label)
    canvas, panels = style.figure(6.0, 1.1 + 1.3 * len(report.labels), rows=len(report.labels))
    threshold, margin = policy.critical_threshold, policy.refer_margin
    for index, (panel, row) in enumerate(zip(panels, report.per_label, strict=True)):
        panel.axvspan(threshold - margin, threshold + margin, color=style.GRID, zorder=0)
        panel.axvline(threshold, color=style.INK, linewidth=1.2)
        counts, *_ = panel.hist(
            probabilities[labels == index, critical],
            bins=_BINS,
            range=(0, 1),
            color=style.PALETTE[index % len(style.PALETTE)],
        )
        panel.set(xlim=(0, 1), ylim=(0.6, 1.6 * max(np.max(counts), 1)), yscale="log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())
        panel.set_title(f"{row.label}  (n = {row.n})", loc="right", fontsize=9.5, color=style.INK)
        panel.tick_params(labelbottom=panel is panels[-1])
    style.describe(
        panels[0], title=f"Probability of {policy.critical_label}, by truth", x="", y="images"
    )
    panels[-1].set_xlabel(
        f"probability of {policy.critical_label} (line: threshold {threshold:.2f}; grey: referred)",
        fontsize=9.5,
        color=style.INK,
    )
    return style.save(canvas, path)
