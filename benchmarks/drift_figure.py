"""Detection over the size of a shift, drawn."""

from pathlib import Path

from ml.evaluation import style

Curves = dict[str, list[tuple[float, float]]]
_AXES = {
    "gain": "gain (phantoms: dB; real: factor)",
    "blur": "standard deviation, pixels",
    "inverted": "share of images inverted",
    "class mix": "malignant share, times the usual",
    "new scanner": "share of images from it",
    "site mix": "share of one site (usual: 1/3)",
}


def draw_power(curves: dict[str, Curves], path: Path) -> None:
    """One panel per kind of shift, one line per data set."""
    kinds = list(dict.fromkeys(kind for of in curves.values() for kind in of))
    canvas, panels = style.figure(9.6, 5.4, columns=3, rows=-(-len(kinds) // 3))
    for panel, kind in zip(panels, kinds, strict=False):
        for index, (name, of) in enumerate(curves.items()):
            if kind in of:
                sizes, alarms = zip(*sorted(of[kind]), strict=True)
                panel.plot(
                    sizes,
                    alarms,
                    color=style.PALETTE[index],
                    marker="os"[index % 2],
                    markersize=4,
                    label=name,
                )
        panel.set(ylim=(-0.04, 1.06))
        panel.axhline(0.95, **style.CHANCE)
        style.describe(panel, title=kind, x=_AXES.get(kind, "size"), y="windows that alarm")
    panels[0].legend(loc="lower right", frameon=False, fontsize=9)
    style.save(canvas, path)
