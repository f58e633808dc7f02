"""One look for all figures: restrained, readable in grey print, colours safe for colour-blindness
(Okabe & Ito 2008)."""

import textwrap
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, MUTED, GRID = "#1f2933", "#6b7785", "#e4e7eb"
ACCENT = "#0072b2"
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
DASHED, DOTTED = (0, (3, 2)), (0, (1, 2))
CHANCE: Final[dict[str, Any]] = {"color": MUTED, "linewidth": 1, "linestyle": (0, (2, 3))}
"""The line that others are compared with: chance, perfection, the whole."""
_DPI = 130
_PAD = 0.08
_LINE = 14


def figure(
    width: float = 6.4, height: float = 4.6, columns: int = 1, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure with `rows` × `columns` bare axes, row by row. It belongs to no global state."""
    canvas = Figure(
        figsize=(width, height),
        layout=ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD),
        facecolor="white",
    )
    FigureCanvasAgg(canvas)
    axes = [canvas.add_subplot(rows, columns, index + 1) for index in range(rows * columns)]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color(MUTED)
        panel.tick_params(colors=INK, labelsize=9, length=3, color=MUTED)
        panel.grid(color=GRID, linewidth=0.8)
        panel.set_axisbelow(True)
    return canvas, axes


def describe(panel: Axes, *, title: str, x: str, y: str) -> None:
    """Title on the left, axes named."""
    panel.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
    panel.set_xlabel(x, fontsize=9.5, color=INK)
    panel.set_ylabel(y, fontsize=9.5, color=INK)


def wrap(label: str) -> str:
    """A long label on several lines, so that ticks side by side do not run into each other."""
    return "\n".join(textwrap.wrap(label.replace("_", " "), _LINE)) or label


def save(canvas: Figure, path: Path) -> Path:
    """Write a PNG, renamed last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.part.png")
    # Without the library's version in it the same numbers give the same file.
    canvas.savefig(partial, dpi=_DPI, metadata={"Software": None})
    return partial.replace(path)
