"""An interval as a small drawing inside a table: a line with a dot, on a scale with a limit."""

from ml.evaluation.results import Interval
from ml.evaluation.style import ACCENT, GRID, INK, MUTED, PALETTE

ALARM = PALETTE[5]
_WIDTH, _HEIGHT, _PAD = 190, 20, 6


def whisker(
    interval: Interval,
    *,
    low: float = 0.0,
    high: float = 1.0,
    limit: float | None = None,
    alarm: bool = False,
    hollow: bool = False,
) -> str:
    """SVG of one interval between `low` and `high`, which are cut where it goes beyond.

    Args:
        limit: a value to hold it against, drawn as a dashed line.
        alarm: whether it is what somebody has to look at.
        hollow: whether it is an estimate of something unmeasured.
    """

    def x(value: float) -> float:
        inside = min(max((value - low) / (high - low), 0.0), 1.0)
        return round(_PAD + inside * (_WIDTH - 2 * _PAD), 1)

    middle, colour = _HEIGHT / 2, ALARM if alarm else ACCENT
    words = f"{interval.estimate:.3f}, {interval.lower:.3f} to {interval.upper:.3f}"
    mark = (
        f'<line x1="{x(limit)}" x2="{x(limit)}" y1="2" y2="{_HEIGHT - 2}" stroke="{INK}" '
        'stroke-dasharray="2 2"/>'
        if limit is not None
        else ""
    )
    return (
        f'<svg class="whisker" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" aria-label="{words}"><title>{words}</title>'
        f'<line x1="{_PAD}" x2="{_WIDTH - _PAD}" y1="{middle}" y2="{middle}" stroke="{GRID}"/>'
        f'<line x1="{_PAD}" x2="{_PAD}" y1="5" y2="{_HEIGHT - 5}" stroke="{MUTED}"/>{mark}'
        f'<line x1="{x(interval.lower)}" x2="{x(interval.upper)}" y1="{middle}" y2="{middle}" '
        f'stroke="{colour}" stroke-width="3" stroke-linecap="round"/>'
        f'<circle cx="{x(interval.estimate)}" cy="{middle}" r="4.5" stroke="{colour}" '
        f'stroke-width="2" fill="{"#fff" if hollow else colour}"/></svg>'
    )
