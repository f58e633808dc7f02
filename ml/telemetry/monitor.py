"""What the newest look at production found, in numbers."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar, get_args

from prometheus_client.core import Metric

from ml.data.storage import Place, found
from ml.evaluation.results import Interval
from ml.journey.workspace import Workspace
from ml.monitoring.results import (
    DriftResult,
    DriftState,
    PerformanceResult,
    RetrainDecision,
    RetrainTrigger,
    WatchReport,
)
from ml.params import Params
from ml.telemetry.families import gauge, gauges, moment
from ml.telemetry.remembered import Remembered

Item = TypeVar("Item")

_METRICS = ("accuracy", "critical_sensitivity", "critical_specificity")
_HOUR = 3600.0


class MonitorNumbers:
    """Drift, performance and the retrain decision; nothing before the first report.

    Reports of another release's form are left out.
    """

    def __init__(self, workspace: Workspace, params: Callable[[], Params]) -> None:
        self._workspace = workspace
        self._params = params
        self._reports = Remembered(_report)
        self._decisions = Remembered(_decision)

    def read(self) -> Iterator[Metric]:
        """All families."""
        yield from self._floors()
        reports = _known(self._reports.read(self._files("report.json")))
        decisions = _known(self._decisions.read(self._files("retrain.json")))
        if reports:
            newest = max(reports, key=lambda report: report.drift.window.end)
            yield from _drift(newest.drift)
            yield from _performance(newest.performance)
            states = Counter(report.drift.state for report in reports)
            yield gauges(
                "vigie_drift_reports",
                "Reports so far, by the state of their window.",
                ["state"],
                {state: states[state] for state in get_args(DriftState)},
            )
        if decisions:
            yield from _retraining(decisions)

    def _files(self, name: str) -> list[Place]:
        return found(self._workspace.drift_reports, f"*/{name}")

    def _floors(self) -> Iterator[Metric]:
        params = self._params().monitoring
        yield gauges(
            "vigie_performance_floor",
            "Under it with the whole interval, performance asks for a new model.",
            ["metric"],
            {
                "accuracy": params.accuracy_floor,
                "critical_sensitivity": params.critical_sensitivity_floor,
            },
        )


def _report(content: bytes) -> WatchReport | None:
    try:
        return WatchReport.model_validate_json(content)
    except ValueError:
        return None


def _decision(content: bytes) -> RetrainDecision | None:
    try:
        return RetrainDecision.model_validate_json(content)
    except ValueError:
        return None


def _known(contents: Mapping[Place, Item | None]) -> list[Item]:
    return [content for content in contents.values() if content is not None]


def _drift(drift: DriftResult) -> Iterator[Metric]:
    window = drift.window
    yield gauges(
        "vigie_drift_info",
        "1 for the newest window: its report, and the model that answered in it.",
        ["report_id", "version"],
        {(drift.report_id, drift.model_version): 1},
    )
    yield gauges(
        "vigie_drift_state",
        "1 for the state of the newest window.",
        ["state"],
        {state: drift.state == state for state in get_args(DriftState)},
    )
    yield moment("vigie_drift_window_end_timestamp_seconds", "End of the newest window", window.end)
    yield gauges(
        "vigie_drift_window_images",
        "Answered images of the newest window, distinct ones, and what they are worth together.",
        ["count"],
        {
            "answered": window.images,
            "distinct": window.distinct,
            "effective": window.effective,
        },
    )
    yield gauge(
        "vigie_drift_moved_ratio",
        "Share of the signals of all images that moved in the newest window.",
        drift.drifted_share,
    )
    for name, attribute, documentation in (
        ("effect", "effect", "Distance from the reference, 0 to 1"),
        ("floor", "floor", "Distance under which nothing alarms"),
        ("moved", "drifted", "1 where it moved"),
    ):
        yield gauges(
            f"vigie_drift_signal_{name}",
            f"{documentation}, by signal of the newest window.",
            ["signal", "kind"],
            {(signal.name, signal.kind): getattr(signal, attribute) for signal in drift.signals},
        )
    slices = Counter((part.dimension, part.state) for part in drift.slices)
    yield gauges(
        "vigie_drift_slices",
        "Sites and scanners of the newest window, by state.",
        ["dimension", "state"],
        {
            (dimension, state): slices[dimension, state]
            for dimension in ("site", "scanner")
            for state in get_args(DriftState)
        },
    )
    yield gauges(
        "vigie_label_share",
        "Share of images answered with this label, in the reference and in the newest window.",
        ["label", "where"],
        {
            (share.label, where): value
            for share in drift.label_shares
            for where, value in (("reference", share.reference), ("window", share.current))
        },
    )
    if drift.label_shift is not None:
        yield gauges(
            "vigie_label_prevalence",
            "Estimated share of images whose true label this is, in the newest window.",
            ["label", "bound"],
            {
                (item.label, bound): value
                for item in drift.label_shift.prevalence
                for bound, value in _bounds(item.current)
            },
        )


def _performance(performance: PerformanceResult) -> Iterator[Metric]:
    measured, estimated = performance.measured, performance.estimated
    intervals = {
        (metric, source): getattr(result, metric)
        for source, result in (("measured", measured), ("estimated", estimated))
        for metric in _METRICS
    }
    yield gauges(
        "vigie_performance",
        "Performance in the newest window: measured with labels, estimated without.",
        ["metric", "source", "bound"],
        {
            (*key, bound): value
            for key, interval in intervals.items()
            if interval is not None
            for bound, value in _bounds(interval)
        },
    )
    yield gauge(
        "vigie_window_labelled_images",
        "Answered images of the newest window that a person labelled.",
        measured.labelled,
    )
    delays = (("0.5", measured.label_delay_hours), ("0.95", measured.label_delay_hours_95))
    yield gauges(
        "vigie_label_delay_seconds",
        "Time within which this share of the window's labels came.",
        ["quantile"],
        {quantile: hours * _HOUR for quantile, hours in delays if hours is not None},
    )
    inside = Counter(check.inside for check in performance.checks)
    yield gauges(
        "vigie_performance_checks",
        "Earlier estimates held against labels that came since: inside their interval or not.",
        ["result"],
        {"inside": inside[True], "outside": inside[False]},
    )


def _retraining(decisions: list[RetrainDecision]) -> Iterator[Metric]:
    newest = max(decisions, key=lambda decision: decision.decided_at)
    reasons = {reason.trigger for reason in newest.reasons}
    yield gauges(
        "vigie_retrain_reason",
        "1 for each reason for a new model that holds by the newest decision.",
        ["trigger"],
        {trigger: trigger in reasons for trigger in get_args(RetrainTrigger)},
    )
    yield gauge(
        "vigie_retrain_new_labels",
        "Labels given since the last request for a new model.",
        newest.new_labels,
    )
    asked = [decision.decided_at for decision in decisions if decision.retrain]
    if asked:
        yield moment(
            "vigie_retrain_requested_timestamp_seconds",
            "When a new model was last asked for",
            max(asked),
        )


def _bounds(interval: Interval) -> Iterator[tuple[str, float]]:
    yield "estimate", interval.estimate
    yield "lower", interval.lower
    yield "upper", interval.upper
