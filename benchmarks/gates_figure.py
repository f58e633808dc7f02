"""The power of the gates, drawn."""

from pathlib import Path

from ml.evaluation import style


def draw_power(curves: dict[str, dict[str, list[float]]], floor: float, path: Path) -> None:
    """Power over number of critical images."""
    canvas, (panel,) = style.figure(7.4, 4.6)
    for index, (name, curve) in enumerate(curves.items()):
        independent = name.startswith("1 ")
        panel.plot(
            curve["images"],
            curve["power"],
            color=style.PALETTE[index % 3],
            linestyle="-" if independent else (0, (4, 2)),
            marker="o" if independent else "s",
            markersize=4,
            label=name,
        )
    panel.axhline(0.8, color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    panel.set(ylim=(-0.02, 1.04))
    panel.legend(loc="lower right", frameon=False, fontsize=9)
    style.describe(
        panel,
        title=f"Chance that a model with sensitivity 0.95 passes the floor {floor:.2f}",
        x="critical test images",
        y="share promoted",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    style.save(canvas, path)
