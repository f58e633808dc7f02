"""Stage 14, the decision: does what was seen so far ask for a new model?"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ml.evaluation.results import Interval
from ml.monitoring.results import RetrainDecision, RetrainReason, WatchReport
from ml.params import MonitoringParams


def decide_retraining(
    history: Sequence[WatchReport],
    *,
    new_labels: int,
    last_retrain_at: datetime | None,
    now: datetime,
    params: MonitoringParams,
) -> RetrainDecision:
    """Ask for a model when performance is surely under its floor, when enough of the last windows
    drifted, the newest among them, or when there are enough new labels to learn from.

    One odd week does not start a training, nor does a drift that has passed. Windows that ended
    before the last request were acted on already and do not count; within the cool-down after it,
    counted in days, nothing is asked for. Of windows that share most of their time the newest
    counts.

    Args:
        history: reports in any order.
        new_labels: given since the last request, or since the model in production was trained.
        last_retrain_at: when a retraining was last asked for, None if never.
    """
    reports = _apart(history)[-params.windows :]
    unanswered = [
        report
        for report in reports
        if last_retrain_at is None or report.drift.window.end > last_retrain_at
    ]
    reasons = [
        *_performance(unanswered, last_retrain_at, params),
        *_drift(reports, unanswered, params),
        *_labels(new_labels, params),
    ]
    ready = last_retrain_at and last_retrain_at + timedelta(days=params.cooldown_days)
    # A weekly task is seconds early or late, and a cool-down of a week means the next one.
    cooling = bool(reasons) and ready is not None and now.date() < ready.date()
    told = "; ".join(reason.text for reason in reasons)
    if cooling:
        told += f"; but the cool-down runs until {ready:%Y-%m-%d}"
    return RetrainDecision(
        retrain=bool(reasons) and not cooling,
        trigger=reasons[0].trigger if reasons else None,
        reasons=reasons,
        reason=told or _quiet(reports, unanswered, new_labels, last_retrain_at, params),
        decided_at=now,
        new_labels=new_labels,
        report_id=reports[-1].drift.report_id if reports else None,
    )


def _apart(history: Sequence[WatchReport]) -> list[WatchReport]:
    """Reports whose windows are mostly their own, oldest first: a look that is repeated sees the
    same answers again."""
    kept: list[WatchReport] = []
    for report in sorted(history, key=lambda report: report.drift.window.end, reverse=True):
        window = report.drift.window
        if not kept or window.end <= kept[-1].drift.window.start + (window.end - window.start) / 2:
            kept.append(report)
    return kept[::-1]


def _performance(
    unanswered: Sequence[WatchReport], last_retrain_at: datetime | None, params: MonitoringParams
) -> Iterator[RetrainReason]:
    """Of the newest window: what labels measure goes before what is estimated without. Labels may
    take weeks: until it has them, the newest window that has counts as well."""
    if not unanswered:
        return
    report = unanswered[-1]
    measured, estimated = report.performance.measured, report.performance.estimated
    late = [
        item
        for item in report.performance.late
        if last_retrain_at is None or item.end > last_retrain_at
    ]
    floors = {
        "accuracy": ("accuracy", params.accuracy_floor),
        "critical_sensitivity": (
            f"{report.performance.critical_label} sensitivity",
            params.critical_sensitivity_floor,
        ),
    }
    for metric, (name, floor) in floors.items():
        labelled: Interval | None = getattr(measured, metric)
        found = [(labelled, "measured", "")]
        if labelled is None:
            found = [(getattr(estimated, metric), "estimated", "")]
            known = [item for item in late if getattr(item.measured, metric) is not None]
            for item in known[-1:]:
                since = f" in the window to {item.end:%Y-%m-%d}, by labels that came since"
                found.insert(0, (getattr(item.measured, metric), "measured", since))
        for interval, how, since in found:
            if interval is not None and interval.upper < floor:
                text = (
                    f"{name} is {how} at {interval.estimate:.2f} ({interval.lower:.2f} to "
                    f"{interval.upper:.2f}){since}, under the floor of {floor:.2f}"
                )
                yield RetrainReason(
                    trigger="performance", text=text, report_ids=[report.drift.report_id]
                )
                break


def _drift(
    reports: Sequence[WatchReport], unanswered: Sequence[WatchReport], params: MonitoringParams
) -> Iterator[RetrainReason]:
    drifted = [report.drift for report in unanswered if report.drift.state == "drifted"]
    if not drifted or drifted[-1] is not reports[-1].drift or len(drifted) < params.violations:
        return
    newest = drifted[-1]
    yield RetrainReason(
        trigger="drift",
        text=(
            f"{len(drifted)} of the last {len(reports)} windows drifted, the newest (to "
            f"{newest.window.end:%Y-%m-%d %H:%M %Z}) among them: {newest.reason}"
        ),
        report_ids=[drift.report_id for drift in drifted],
    )


def _labels(new_labels: int, params: MonitoringParams) -> Iterator[RetrainReason]:
    if new_labels >= params.new_labels:
        text = f"{new_labels} new labels, {params.new_labels} are enough"
        yield RetrainReason(trigger="labels", text=text, report_ids=[])


def _quiet(
    reports: Sequence[WatchReport],
    unanswered: Sequence[WatchReport],
    new_labels: int,
    last_retrain_at: datetime | None,
    params: MonitoringParams,
) -> str:
    if not reports:
        told = "no window has been measured yet"
    else:
        newest = reports[-1].drift
        named = f"the newest window (to {newest.window.end:%Y-%m-%d %H:%M %Z})"
        drifted = sum(report.drift.state == "drifted" for report in unanswered)
        if not unanswered:
            told = f"{named} was acted on already, on {last_retrain_at:%Y-%m-%d %H:%M %Z}"
        elif newest.state != "drifted":
            told = f"{named} is {newest.state}: {newest.reason}"
        else:
            told = (
                f"{drifted} of the last {len(reports)} windows drifted, {params.violations} needed"
            )
    return f"{told}; {new_labels} of {params.new_labels} new labels"
