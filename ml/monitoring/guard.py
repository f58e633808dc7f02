"""Whether a canary behaves as production does, from counts of the log of answers.

Each comparison is a difference of two shares with Newcombe's score interval (Newcombe 1998,
method 10). A guard looks again and again, so the chance of a false alarm is spent over doublings
of the canary's answers: half of it until `min_answers` doubled, a quarter until the next.
"""

import math
from collections.abc import Callable

from ml.contract.errors import InputError
from ml.evaluation.intervals import wilson
from ml.evaluation.results import Interval
from ml.monitoring.results import CanaryVerdict, ShareShift
from ml.params import GuardParams
from ml.store.traffic import Tally

_COMPARISONS = 4


def judge_canary(production: Tally, canary: Tally, params: GuardParams) -> CanaryVerdict:
    """Compare what both did in the same time.

    Args:
        production, canary: counted since the canary's start, `slow` by the same limit.

    Returns:
        `insufficient` while either was asked too little, which the reasons say; `withdraw` with
        a reason for each share that moved; else `equal`.

    Raises:
        InputError: the slow answers were not counted.
    """
    asked = min(production.asked, canary.asked)
    if asked < params.min_answers:
        reason = (
            f"the canary was asked {canary.asked} times and production {production.asked} times; "
            f"{params.min_answers} each are needed to judge"
        )
        return CanaryVerdict(state="insufficient", reasons=[reason], shifts=[])
    confidence = confidence_at(canary.asked, params)
    shifts = [
        shift
        for name, count, of, margin, both_ways in (
            ("critical", _critical, _answered, params.critical_margin, True),
            ("referred", _referred, _answered, params.refer_margin, True),
            ("failed", _failed, _asked, params.failure_margin, False),
            ("slow", _slow, _answered, params.slow_margin, False),
        )
        if (shift := _shift(name, production, canary, count, of, margin, both_ways, confidence))
    ]
    reasons = [
        f"{100 * shift.canary:.1f} % of the canary's images were {shift.name}, "
        f"{100 * shift.production:.1f} % of production's: a difference of "
        f"{100 * shift.lower:+.1f} to {100 * shift.upper:+.1f} points, "
        f"±{100 * shift.margin:g} allowed"
        for shift in shifts
        if shift.moved
    ]
    return CanaryVerdict(state="withdraw" if reasons else "equal", reasons=reasons, shifts=shifts)


def confidence_at(asked: int, params: GuardParams) -> float:
    """Two-sided confidence of each interval when the canary was asked so often."""
    doublings = int(math.log2(max(asked, params.min_answers) / params.min_answers))
    return 1 - params.false_alarm / _COMPARISONS / 2 ** (doublings + 1)


def difference(first: Interval, second: Interval) -> tuple[float, float]:
    """Bounds of first − second from the Wilson intervals of both (Newcombe 1998, method 10)."""
    estimate = first.estimate - second.estimate
    down = math.hypot(first.estimate - first.lower, second.upper - second.estimate)
    up = math.hypot(first.upper - first.estimate, second.estimate - second.lower)
    return estimate - down, estimate + up


def _shift(
    name: str,
    production: Tally,
    canary: Tally,
    count: Callable[[Tally], int],
    of: Callable[[Tally], int],
    margin: float,
    both_ways: bool,
    confidence: float,
) -> ShareShift | None:
    if not of(canary) or not of(production):
        return None  # every image failed: that shift is judged by itself
    tried = wilson(count(canary), of(canary), confidence)
    usual = wilson(count(production), of(production), confidence)
    lower, upper = difference(tried, usual)
    return ShareShift(
        name=name,
        production=usual.estimate,
        canary=tried.estimate,
        lower=lower,
        upper=upper,
        margin=margin,
        moved=lower > margin or (both_ways and upper < -margin),
    )


def _answered(tally: Tally) -> int:
    return tally.answered


def _asked(tally: Tally) -> int:
    return tally.asked


def _critical(tally: Tally) -> int:
    return tally.critical


def _referred(tally: Tally) -> int:
    return tally.referred


def _failed(tally: Tally) -> int:
    return tally.failed


def _slow(tally: Tally) -> int:
    if tally.slow is None:
        raise InputError("Slow answers were not counted.", remedy="Give `tally` a limit.")
    return tally.slow
