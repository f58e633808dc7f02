"""How training went, as a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ml.evaluation import style

_RING: Final[dict[str, Any]] = {
    "marker": "o",
    "markersize": 10,
    "markerfacecolor": "none",
    "linestyle": "none",
}


@dataclass(frozen=True, slots=True)
class LearningCurves:
    """One member's epochs, counted from 1 over both phases.

    `best_epoch` is the one whose weights were kept, 0 for those before training. `head_epochs`
    is how many of the epochs trained the head alone, on frozen features.
    """

    loss: Sequence[float]
    validation_loss: Sequence[float]
    validation_accuracy: Sequence[float]
    best_epoch: int
    head_epochs: int


def draw_learning_curves(members: Mapping[str, LearningCurves], path: Path) -> Path:
    """Loss and validation accuracy per epoch, one colour per member.

    A ring marks the epoch that was kept, a dotted line the change from head to fine-tuning.
    """
    canvas, panels = style.figure(9.6, 4.4, columns=2)
    two_phases = False
    for index, (member, curves) in enumerate(members.items()):
        colour = style.PALETTE[index % len(style.PALETTE)]
        _plot(panels[0], curves.loss, colour, style.DASHED, 0)
        _plot(panels[0], curves.validation_loss, colour, "solid", curves.best_epoch)
        _plot(panels[1], curves.validation_accuracy, colour, "solid", curves.best_epoch, member)
        if 0 < curves.head_epochs < len(curves.loss):
            two_phases = True
            for panel in panels:
                panel.axvline(curves.head_epochs + 0.5, color=colour, linestyle=style.DOTTED)
    style.describe(panels[0], title="Loss per epoch", x="epoch", y="loss")
    style.describe(panels[1], title="Validation accuracy per epoch", x="epoch", y="accuracy")
    for panel in panels:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    canvas.legend(
        handles=[*panels[1].get_legend_handles_labels()[0], *_keys(two_phases)],
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=9,
    )
    return style.save(canvas, path)


def _plot(
    panel: Axes,
    values: Sequence[float],
    colour: str,
    line: object,
    best: int,
    label: str | None = None,
) -> None:
    epochs = range(1, len(values) + 1)
    panel.plot(
        epochs, values, color=colour, linestyle=line, linewidth=1.8, marker="o", markersize=3,
        label=label,
    )  # fmt: skip
    if 0 < best <= len(values):
        panel.plot(best, values[best - 1], **_RING, color=colour)


def _keys(two_phases: bool) -> list[Line2D]:
    lines = [
        Line2D([], [], color=style.MUTED, linestyle="solid", label="validation"),
        Line2D([], [], color=style.MUTED, linestyle=style.DASHED, label="training"),
        Line2D([], [], color=style.MUTED, **_RING, label="kept"),
    ]
    if two_phases:
        change = Line2D([], [], color=style.MUTED, linestyle=style.DOTTED, label="fine-tuning from")
        lines.append(change)
    return lines
