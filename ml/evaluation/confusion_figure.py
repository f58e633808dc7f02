"""The confusion matrix as a figure."""

from pathlib import Path

import numpy as np

from ml.evaluation import style
from ml.evaluation.results import EvaluationReport

_DARK = 0.55


def draw_confusion(report: EvaluationReport, path: Path) -> Path:
    """Counts with the share of each row, which also shades the cell."""
    counts = np.array(report.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(report.labels)
    canvas, (panel,) = style.figure(max(5.4, 1.4 * size + 1.2), 1.15 * size + 1.35)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    names = [style.wrap(label) for label in report.labels]
    panel.set_xticks(range(size), names)
    panel.set_yticks(
        range(size),
        [f"{name}\n(n = {row.n})" for name, row in zip(names, report.per_label, strict=True)],
    )
    for row, column in np.ndindex(counts.shape):
        shade = "white" if shares[row, column] > _DARK else style.INK
        for text, place, side, points in (
            (f"{counts[row, column]}", row, "bottom", 14),
            (f"{shares[row, column]:.0%}", row + 0.08, "top", 9.5),
        ):
            panel.text(column, place, text, ha="center", va=side, fontsize=points, color=shade)
    style.describe(
        panel, title=f"Answers on {report.images} images, % of each row", x="answer", y="truth"
    )
    return style.save(canvas, path)
