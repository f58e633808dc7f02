"""Stage 14, the decision: does the drift seen so far ask for a new model?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ml.monitoring.results import DriftResult, RetrainDecision
from ml.params import MonitoringParams


def decide_retraining(
    history: Sequence[DriftResult],
    *,
    last_retrain_at: datetime | None,
    now: datetime,
    params: MonitoringParams,
) -> RetrainDecision:
    """Ask for a model when enough of the last windows drifted, the newest among them.

    One odd week does not start a training, nor does a drift that has passed. Windows that ended
    before the last request were acted on already and do not count; within the cool-down after it
    nothing is asked for.

    Args:
        history: drift results in any order.
        last_retrain_at: when a retraining was last asked for, None if never.
    """
    windows = sorted(history, key=lambda window: window.window_end)[-params.windows :]
    drifted = [
        window
        for window in windows
        if window.state == "drifted"
        and (last_retrain_at is None or window.window_end > last_retrain_at)
    ]
    retrain, reason = _judge(windows, drifted, last_retrain_at, now, params)
    return RetrainDecision(
        retrain=retrain,
        reason=reason,
        decided_at=now,
        drifted_windows=[window.report_id for window in drifted],
    )


def _judge(
    windows: Sequence[DriftResult],
    drifted: Sequence[DriftResult],
    last_retrain_at: datetime | None,
    now: datetime,
    params: MonitoringParams,
) -> tuple[bool, str]:
    if not windows:
        return False, "no window has been measured yet"
    newest = windows[-1]
    count = f"{len(drifted)} of the last {len(windows)} windows drifted"
    named = f"the newest (to {newest.window_end:%Y-%m-%d %H:%M})"
    if newest.state != "drifted":
        return False, f"{named} is {newest.state}: {newest.reason}"
    if newest not in drifted:
        return False, f"{named} was acted on already, on {last_retrain_at:%Y-%m-%d %H:%M}"
    if len(drifted) < params.violations:
        return False, f"{count}, {params.violations} needed"
    if last_retrain_at is not None:
        ready = last_retrain_at + timedelta(days=params.cooldown_days)
        if now < ready:
            return False, f"{count}, but the cool-down runs until {ready:%Y-%m-%d %H:%M}"
    return True, f"{count}, {named} among them: {newest.reason}"
