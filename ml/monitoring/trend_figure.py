"""A year of windows as charts, in SVG that stands inside a page."""

import io
from collections.abc import Sequence
from datetime import datetime

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from ml.evaluation.results import Interval
from ml.evaluation.style import ACCENT, DASHED, DOTTED, INK, MUTED, PALETTE, describe, figure
from ml.monitoring.results import Mark, Period, Trend
from ml.params import MonitoringParams

STATES = {"quiet": PALETTE[2], "drifted": PALETTE[5], "insufficient": "#cbd2d9"}
_MARKS = {"retrain": (PALETTE[1], DASHED), "promote": (INK, "-"), "rollback": (PALETTE[5], DOTTED)}
_NAMES = {"retrain": "new model asked for", "promote": "version promoted", "rollback": "put back"}
_WIDTH, _HEIGHT = 10.2, 10.4
_SMALL = 8.5
# Text stays text, in the page's font; equal numbers give an equal file.
_SVG = {"svg.fonttype": "none", "svg.hashsalt": "vigie", "font.family": "sans-serif"}


def draw_trend(trend: Trend, params: MonitoringParams) -> str:
    """Drift, sensitivity, referrals and volume over time, as one `<svg>`."""
    canvas, (drift, sensitivity, referral, volume) = figure(_WIDTH, _HEIGHT, rows=4)
    _drift(drift, trend.periods)
    _sensitivity(sensitivity, trend, params)
    _referral(referral, trend.periods)
    _volume(volume, trend.periods)
    first, last = trend.periods[0].start, trend.periods[-1].end
    for panel in (drift, sensitivity, referral, volume):
        _time(panel, first, last)
        for mark in trend.marks:
            _mark(panel, mark, named=panel is drift)
    _marks_legend(drift, trend.marks)
    return _svg(canvas)


def _drift(panel: Axes, periods: Sequence[Period]) -> None:
    describe(panel, title="Signals that moved", x="", y="share of signals")
    for state, colour in STATES.items():
        of = [period for period in periods if period.state == state]
        shares = [period.moved / period.tested if period.tested else 0.0 for period in of]
        panel.vlines(_ends(of), 0, shares, color=colour, linewidth=4)
        # A quiet window is a point at zero rather than nothing at all.
        panel.plot(_ends(of), shares, "o", color=colour, markersize=5, label=state)
    panel.set_ylim(-0.03, 1.12)


def _sensitivity(panel: Axes, trend: Trend, params: MonitoringParams) -> None:
    describe(panel, title=f"Sensitivity to {trend.critical_label}", x="", y="sensitivity")
    guessed = [(p.end, p.estimated_sensitivity) for p in trend.periods if p.estimated_sensitivity]
    if guessed:
        ends = date2num([end for end, _ in guessed])
        lower, upper = _bounds([interval for _, interval in guessed])
        panel.fill_between(ends, lower, upper, color=PALETTE[4], alpha=0.3, linewidth=0)
        panel.plot(
            ends, [i.estimate for _, i in guessed], color=PALETTE[4], linewidth=1.5,
            label="estimated without labels",
        )  # fmt: skip
    known = [(p.end, p.measured_sensitivity) for p in trend.periods if p.measured_sensitivity]
    if known:
        ends = date2num([end for end, _ in known])
        intervals = [interval for _, interval in known]
        panel.vlines(ends, *_bounds(intervals), color=ACCENT, linewidth=1.4)
        panel.plot(
            ends, [i.estimate for i in intervals], "o", color=ACCENT, markersize=4.5,
            label="measured on labels",
        )  # fmt: skip
    panel.axhline(
        params.critical_sensitivity_floor, color=MUTED, linestyle=DASHED, linewidth=1, label="floor"
    )
    panel.set_ylim(0, 1.04)
    _legend(panel)


def _referral(panel: Axes, periods: Sequence[Period]) -> None:
    describe(panel, title="Referred to a person", x="", y="share of answers")
    told = [(p.end, p.refer_share) for p in periods if p.refer_share is not None]
    ends, shares = date2num([end for end, _ in told]), [share for _, share in told]
    panel.plot(ends, shares, "-o", color=ACCENT, markersize=3.5, linewidth=1.3)
    panel.set_ylim(0, max([0.1, *(1.15 * share for share in shares)]))


def _volume(panel: Axes, periods: Sequence[Period]) -> None:
    describe(panel, title="Answers", x="", y="images in the window")
    labelled = [period.labelled for period in periods]
    panel.vlines(_ends(periods), 0, [p.images for p in periods], color="#b6c2cf", linewidth=5,
                 label="answers")  # fmt: skip
    panel.vlines(_ends(periods), 0, labelled, color=ACCENT, linewidth=5, label="with a label")
    panel.set_ylim(0, 1.25 * max([1, *(period.images for period in periods)]))
    _legend(panel)


def _mark(panel: Axes, mark: Mark, *, named: bool) -> None:
    colour, line = _MARKS[mark.kind]
    at = float(date2num(mark.at))
    panel.axvline(at, color=colour, linestyle=line, linewidth=1.1, zorder=1)
    if named and mark.version:
        panel.annotate(
            f"v{mark.version}", (at, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -3),
            textcoords="offset points", fontsize=_SMALL, color=colour, va="top",
        )  # fmt: skip


def _marks_legend(panel: Axes, marks: Sequence[Mark]) -> None:
    for kind in dict.fromkeys(mark.kind for mark in marks):
        colour, line = _MARKS[kind]
        panel.plot([], [], color=colour, linestyle=line, linewidth=1.1, label=_NAMES[kind])
    _legend(panel)


def _legend(panel: Axes) -> None:
    # Beside the title, where it covers nothing.
    panel.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, frameon=False, fontsize=_SMALL,
        borderaxespad=0.2, handlelength=1.6, columnspacing=1.4,
    )  # fmt: skip


def _time(panel: Axes, first: datetime, last: datetime) -> None:
    locator = AutoDateLocator(maxticks=13)
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    panel.set_xlim(float(date2num(first)), float(date2num(last)) + (last - first).days / 60 + 0.5)


def _ends(periods: Sequence[Period]) -> list[float]:
    return [float(date2num(period.end)) for period in periods]


def _bounds(intervals: Sequence[Interval]) -> tuple[list[float], list[float]]:
    return [item.lower for item in intervals], [item.upper for item in intervals]


def _svg(canvas: Figure) -> str:
    content = io.StringIO()
    with rc_context(_SVG):
        canvas.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    drawn = content.getvalue()
    return drawn[drawn.index("<svg") :]
