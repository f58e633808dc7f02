"""How training went, as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from ml.evaluation import style

History = Mapping[str, Sequence[float]]


def draw_learning_curves(histories: Mapping[str, History], path: Path) -> Path:
    """Loss and accuracy per epoch: training dashed, validation solid, one colour per member.

    Args:
        histories: member → series by name (`loss`, `val_loss`, `accuracy`, `val_accuracy`); a
            missing series is left out.
    """
    canvas, panels = style.figure(9.6, 4.2, columns=2)
    for panel, measure in zip(panels, ("loss", "accuracy"), strict=True):
        for index, (member, history) in enumerate(histories.items()):
            colour = style.PALETTE[index % len(style.PALETTE)]
            for name, line, label in (
                (measure, (0, (3, 2)), None),
                (f"val_{measure}", "solid", member),
            ):
                values = history.get(name, [])
                panel.plot(
                    range(1, len(values) + 1),
                    values,
                    color=colour,
                    linestyle=line,
                    linewidth=1.8,
                    marker="o",
                    markersize=3,
                    label=label,
                )
        style.describe(panel, title=f"{measure.capitalize()} per epoch", x="epoch", y=measure)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].plot([], [], color=style.MUTED, linestyle=(0, (3, 2)), label="(training)")
    panels[0].legend(frameon=False, fontsize=9)
    return style.save(canvas, path)
