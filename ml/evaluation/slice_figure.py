"""Slices beside the whole, as a forest plot."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ml.evaluation import style
from ml.evaluation.results import EvaluationReport, Interval

Ints = npt.NDArray[np.int64]


def draw_slices(report: EvaluationReport, path: Path) -> Path:
    """Accuracy and critical sensitivity per slice; the dashed line is the whole."""
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
        panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    return style.save(canvas, path)


def _forest(panel: Axes, rows: Ints, intervals: Sequence[Interval | None]) -> None:
    whole = intervals[0]
    if whole is not None:
        panel.axvline(whole.estimate, **style.CHANCE)
    lowest = min((item.lower for item in intervals if item is not None), default=0.0)
    panel.set_xlim(left=max(0.0, np.floor(10 * lowest - 0.5) / 10))
    for row, interval in zip(rows, intervals, strict=True):
        if interval is None:
            panel.text(
                0.02,
                row,
                "too few images",
                transform=panel.get_yaxis_transform(),
                ha="left",
                va="center",
                fontsize=8.5,
                color=style.MUTED,
                style="italic",
                backgroundcolor="white",
            )
            continue
        panel.plot([interval.lower, interval.upper], [row, row], color=style.ACCENT, linewidth=2)
        panel.plot(interval.estimate, row, "s", color=style.ACCENT, markersize=6)
