"""The experiments as one figure: a forest plot per metric, and what each answer costs."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ml.evaluation import style
from ml.evaluation.experiment_page import costs, parts
from ml.evaluation.experiment_table import (
    HEADLINE,
    ExperimentTable,
    FailedExperiment,
    Row,
)
from ml.evaluation.results import Interval

_COLOURS = {"experiments": style.ACCENT, "ablation": style.PALETTE[5]}
_COSTS = ("ms/image", "MB", "training s")
_REASON_CHARACTERS = 140

Placed = Sequence[tuple[int, Row]]


def draw_experiments(table: ExperimentTable, path: Path) -> Path:
    """Estimate and interval of every row; a filled marker is a difference that was shown."""
    lines: list[Row | str] = []
    for heading, rows in parts(table):
        lines += [heading, *rows]
    heights = range(len(lines) - 1, -1, -1)
    placed = [
        (height, line)
        for height, line in zip(heights, lines, strict=True)
        if not isinstance(line, str)
    ]
    canvas, panels = style.figure(16, 2.1 + 0.34 * len(lines), columns=len(HEADLINE) + 1)
    for panel, metric in zip(panels, HEADLINE, strict=False):
        _forest(panel, metric, placed)
        style.describe(panel, title=table.titles()[metric], x="", y="")
    _write_failures(panels[0], placed)
    _write_costs(panels[-1], placed)
    for panel in panels:
        panel.set_yticks(heights, [""] * len(lines))
        panel.tick_params(axis="y", length=0)
        panel.grid(visible=False, axis="y")
        panel.set_ylim(-0.7, len(lines) - 0.4)
    names = [line if isinstance(line, str) else line.title for line in lines]
    for label, line in zip(panels[0].set_yticklabels(names), lines, strict=True):
        label.set_fontweight("bold" if isinstance(line, str) else "normal")
    canvas.suptitle(
        f"{table.images} test images of {table.groups} groups, {table.critical_images} of them "
        f"{table.critical_label}; {table.confidence:.0%} intervals",
        x=0.01,
        ha="left",
        fontsize=10,
        color=style.MUTED,
    )
    canvas.legend(
        handles=[
            _key(
                "s",
                style.INK,
                "shown to differ from the step before (remedies: from none)",
            ),
            _key("s", "white", "not shown to differ"),
            _key("D", style.INK, "compared with none"),
        ],
        loc="outside lower left",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return style.save(canvas, path)


def _forest(panel: Axes, metric: str, placed: Placed) -> None:
    lower_bounds = []
    for height, row in placed:
        if isinstance(row, FailedExperiment):
            continue
        interval: Interval | None = getattr(row.metrics, metric)
        colour = _COLOURS[row.part]
        if interval is None:
            panel.text(
                0.98,
                height,
                "not measurable",
                transform=panel.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=8,
                color=style.MUTED,
                style="italic",
            )
            continue
        lower_bounds.append(interval.lower)
        finding = row.difference.finding(metric) if row.difference else None
        filled = row.difference is None or finding in ("better", "worse")
        panel.plot([interval.lower, interval.upper], [height, height], color=colour, linewidth=2)
        panel.plot(
            interval.estimate,
            height,
            "D" if row.difference is None else "s",
            color=colour,
            markerfacecolor=colour if filled else "white",
            markeredgewidth=1.5,
            markersize=6.5,
            clip_on=False,
        )
    # From the tenth below the lowest bound; beyond 1 there is room for half a marker.
    lowest = min(lower_bounds, default=0.0)
    panel.set_xlim(max(0.0, np.floor(10 * lowest - 0.2) / 10), 1.015)


def _write_failures(first: Axes, placed: Placed) -> None:
    """The reasons, over all panels: they have nothing to draw there."""
    for height, row in placed:
        if not isinstance(row, FailedExperiment):
            continue
        # Later panels would be drawn over it.
        first.set_zorder(1)
        first.patch.set_visible(False)
        reason = textwrap.shorten(row.reason, _REASON_CHARACTERS, placeholder=" …")
        first.text(
            0.02,
            height,
            f"failed: {reason}",
            transform=first.get_yaxis_transform(),
            va="center",
            fontsize=9,
            color=style.INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            in_layout=False,
        )


def _write_costs(panel: Axes, placed: Placed) -> None:
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.set_xticks([])
    panel.set_xlim(0, len(_COSTS))
    top = placed[0][0] + 1
    for column, name in enumerate(_COSTS, start=1):
        panel.text(column, top, name, ha="right", va="center", fontsize=9, color=style.MUTED)
        for height, row in placed:
            panel.text(
                column,
                height,
                costs(row)[column - 1],
                ha="right",
                va="center",
                fontsize=9.5,
                color=style.INK,
            )
    style.describe(panel, title="what it costs", x="", y="")


def _key(marker: str, face: str, label: str) -> Line2D:
    return Line2D(
        [],
        [],
        marker=marker,
        linestyle="",
        color=style.INK,
        markerfacecolor=face,
        markeredgewidth=1.5,
        label=label,
    )
