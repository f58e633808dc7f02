"""Did the version in production end the drift that its predecessor saw, and did that help?

The windows of two versions are of different images, so a difference of sensitivities takes the
uncertainty of both: bounds of each become those of the difference (Zou & Donner, Statistics in
Medicine 27, 2008).
"""

import math
from collections.abc import Sequence

from ml.evaluation.results import Interval
from ml.monitoring.results import Period, SinceVersion, VersionStart, WatchReport

_REFERRAL = "referral"


def period(report: WatchReport) -> Period:
    """What versions are compared by."""
    drift, performance = report.drift, report.performance
    referred = [signal.current for signal in drift.signals if signal.kind == _REFERRAL]
    return Period(
        report_id=drift.report_id,
        model_version=drift.model_version,
        start=drift.window.start,
        end=drift.window.end,
        state=drift.state,
        images=drift.window.images,
        moved=len(drift.moved),
        tested=len(drift.signals),
        labelled=performance.measured.labelled,
        refer_share=referred[0] if referred else None,
        measured_sensitivity=performance.measured.critical_sensitivity,
        estimated_sensitivity=performance.estimated.critical_sensitivity,
    )


def compare_with_predecessor(
    report: WatchReport, start: VersionStart, history: Sequence[WatchReport]
) -> SinceVersion:
    """Hold a window of the version in production against its predecessor's.

    Args:
        start: how the version came into production.
        history: earlier reports, oldest first.
    """
    theirs = [
        period(earlier)
        for earlier in history
        if earlier.drift.model_version == start.replaced
        and earlier.drift.window.end < report.drift.window.end
    ]
    drifted = [item for item in theirs if item.state == "drifted"]
    during = drifted[-1] if drifted else None
    quiet = [p for p in theirs if during and p.state == "quiet" and p.end < during.end]
    now = period(report)
    change = _difference(during.measured_sensitivity if during else None, now.measured_sensitivity)
    verdict, text = _verdict(during, now, change, report)
    return SinceVersion.model_validate(
        {
            "start": start,
            "before": quiet[-1] if quiet else None,
            "during": during,
            "now": now,
            "change": change,
            "verdict": verdict,
            "text": text,
        }
    )


def _verdict(
    during: Period | None, now: Period, change: Interval | None, report: WatchReport
) -> tuple[str, str]:
    label = report.performance.critical_label
    if during is None:
        return "nothing", "the version before saw no drift, so there is nothing to remove"
    if now.state == "insufficient":
        return "undecided", "too few images since to tell whether the drift has ended"
    moved = f"{now.moved} of {now.tested} signals moved, {during.moved} of {during.tested} before"
    if change is None:
        told = f"too few labels on both sides to tell what became of {label} sensitivity"
    else:
        direction = "rose" if change.estimate >= 0 else "fell"
        told = (
            f"measured {label} sensitivity {direction} by {abs(change.estimate):.2f} "
            f"({change.lower:+.2f} to {change.upper:+.2f})"
        )
        if change.upper < 0:
            return "worse", f"{told}; {moved}"
        if change.lower <= 0:
            told += ", which chance may explain"
    if now.state == "drifted":
        return "persists", f"the drift goes on ({report.drift.reason}); {told}"
    surely = change is not None and change.lower > 0
    return ("removed" if surely else "quiet"), f"the drift has ended ({moved}); {told}"


def _difference(before: Interval | None, now: Interval | None) -> Interval | None:
    if before is None or now is None:
        return None
    difference = now.estimate - before.estimate
    below = math.hypot(now.estimate - now.lower, before.upper - before.estimate)
    above = math.hypot(now.upper - now.estimate, before.estimate - before.lower)
    return Interval(
        estimate=difference,
        lower=max(-1.0, difference - below),
        upper=min(1.0, difference + above),
        n=now.n + before.n,
    )
