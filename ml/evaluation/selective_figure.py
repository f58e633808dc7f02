"""What referring buys, as a figure."""

from pathlib import Path

from matplotlib.ticker import PercentFormatter

from ml.evaluation import style
from ml.evaluation.results import EvaluationReport


def draw_selective_risk(report: EvaluationReport, path: Path) -> Path:
    """Share wrong over the share answered, surest answers first; the dot is the refer band's.

    The band also refers close to the critical threshold, so its dot need not lie on the curve.
    """
    canvas, (panel,) = style.figure(6.0, 4.4)
    points = report.selective.points
    panel.step(
        [point.coverage for point in points],
        [point.risk for point in points],
        where="post",
        color=style.ACCENT,
        linewidth=2,
        label=f"all cuts (area {report.selective.area:.3f})",
    )
    reported = report.accuracy_reported
    highest = max([1 - report.accuracy.lower, *(point.risk for point in points)])
    if reported is not None:
        risk = 1 - reported.estimate
        panel.errorbar(
            1 - report.refer_rate,
            risk,
            yerr=[[risk - (1 - reported.upper)], [1 - reported.lower - risk]],
            fmt="o",
            color=style.PALETTE[1],
            markersize=8,
            markeredgecolor="white",
            linewidth=2,
            zorder=4,
            label=f"the refer band: {1 - report.refer_rate:.0%} answered, {risk:.1%} wrong",
        )
        highest = max(highest, 1 - reported.lower)
    panel.set(xlim=(0, 1.02), ylim=(0, 1.25 * highest + 0.005))
    panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    panel.legend(loc="upper left", fontsize=9, framealpha=0.9, edgecolor="none")
    style.describe(
        panel,
        title="Risk over coverage",
        x="answered rather than referred, surest first",
        y="wrong among the answered",
    )
    return style.save(canvas, path)
