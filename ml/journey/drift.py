"""Stage 13, watch: compare what production saw lately with what the model was validated on."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ml.contract.errors import NotFound
from ml.journey.retrain import ARTIFACTS, EXPERIMENT, consider
from ml.journey.run import database_of, tracker_of
from ml.journey.trend import trend_page, write_trend
from ml.journey.watched import version_starts, watch_history
from ml.journey.workspace import Workspace
from ml.monitoring.results import (
    DriftResult,
    EstimateCheck,
    EstimatedPerformance,
    LatePerformance,
    MeasuredPerformance,
    PerformanceResult,
    SinceVersion,
    WatchReport,
)
from ml.params import Params

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ml.monitoring.estimate import Estimator
    from ml.monitoring.observe import Observation
    from ml.monitoring.performance import Labelled
    from ml.monitoring.reference import Reference
    from ml.store.prediction_columns import Window

log = logging.getLogger(__name__)


def watch(workspace: Workspace, params: Params, *, until: datetime | None = None) -> WatchReport:
    """Report on the window that ends at `until` (now if None), for the model in production.

    Raises:
        NotFound: nothing is in production.
        WindowInvalid: the answers do not fit the reference of the model that gave them.
    """
    from ml.monitoring.drift import measure_drift
    from ml.monitoring.reference import Reference
    from ml.monitoring.report import write_report
    from ml.registry.models import PRODUCTION, fetch_bundle, version_by_alias
    from ml.store.prediction_columns import Window

    tracker = tracker_of(workspace)
    version = version_by_alias(tracker, PRODUCTION)
    if version is None:
        raise NotFound("Nothing is in production to watch.", remedy="Promote a model first.")
    end = until or datetime.now(UTC)
    start = end - timedelta(days=params.monitoring.window_days)
    window = Window(start, end, version.version, version.bundle_sha256)
    reference = Reference.open(fetch_bundle(tracker, version, workspace.bundles))
    database = database_of(workspace)
    observation = _observe(database, window, reference, params)
    drift = measure_drift(
        reference,
        observation,
        params=params.monitoring,
        model_version=version.version,
        window_start=start,
        window_end=end,
    )
    history = watch_history(workspace)
    earlier = [report for report in history if report.drift.window.end < end]
    performance = _performance(database, window, reference, observation, drift, earlier, params)
    found = WatchReport(drift=drift, performance=performance)
    found = found.model_copy(update={"since": _since(workspace, found, earlier)})
    folder = workspace.drift_reports / drift.report_id
    report = write_report(
        reference,
        observation,
        found,
        folder,
        params=params.monitoring,
        outlook=consider(workspace, params, [*earlier, found], now=end),
        earlier=earlier,
    )
    others = [item for item in history if item.drift.report_id != drift.report_id]
    write_trend(workspace, params, sorted([*others, report], key=_end))
    run_id = tracker.open_run(
        EXPERIMENT,
        drift.report_id,
        name=drift.report_id,
        tags={"vigie.model_version": version.version, "vigie.drift": drift.state},
    )
    tracker.log(run_id, metrics=_metrics(report))
    tracker.log_folder(run_id, folder, ARTIFACTS)
    tracker.log_files(run_id, [trend_page(workspace)], ARTIFACTS)
    tracker.finish(run_id)
    log.info(
        "Window of %d images: %s (%s). Report: %s",
        drift.window.images,
        drift.state,
        drift.reason,
        folder / "report.html",
    )
    return report


def watch_on(workspace: Workspace, params: Params, *, until: datetime) -> WatchReport:
    """As `watch`, after reports on windows that nobody looked at since the last one.

    With the newest at most as many as a retrain decision counts, and none that ended before the
    version in production came there.

    Raises:
        NotFound, WindowInvalid: as `watch`.
    """
    length = timedelta(days=params.monitoring.window_days)
    history, starts = watch_history(workspace), version_starts(workspace)
    if history:
        since = history[-1].drift.window.end + length / 2
        since = max([since, *(start.at for start in starts[-1:])])
        for number in range(params.monitoring.windows - 1, 0, -1):
            if until - number * length > since:
                watch(workspace, params, until=until - number * length)
    return watch(workspace, params, until=until)


def _end(report: WatchReport) -> datetime:
    return report.drift.window.end


def _since(
    workspace: Workspace, report: WatchReport, earlier: list[WatchReport]
) -> SinceVersion | None:
    """Against the predecessor of the version that answered; None where the ledger names none."""
    from ml.monitoring.since import compare_with_predecessor

    bundle, end = report.drift.reference.bundle, report.drift.window.end
    starts = [s for s in version_starts(workspace) if s.bundle == bundle and s.at < end]
    if not starts or starts[-1].replaced is None:
        return None
    return compare_with_predecessor(report, starts[-1], earlier)


def _observe(
    database: "Engine", window: "Window", reference: "Reference", params: Params
) -> "Observation":
    from ml.monitoring.observe import observe
    from ml.monitoring.windows import frames
    from ml.store.prediction_columns import count_repeats, read_columns

    bundle = reference.bundle
    tables = read_columns(database, window, bundle.labels)
    return observe(
        frames(tables, bundle, reference.components),
        reference,
        count_repeats(database, window),
        critical_label=params.data.critical_label,
        params=params.monitoring,
    )


def _performance(
    database: "Engine",
    window: "Window",
    reference: "Reference",
    observation: "Observation",
    drift: DriftResult,
    earlier: list[WatchReport],
    params: Params,
) -> PerformanceResult:
    from ml.monitoring.estimate import Estimator

    critical_label = params.data.critical_label
    estimator = Estimator.fit(reference, critical_label)
    same_model = [r for r in earlier if r.drift.reference.bundle == reference.sha256]
    checks: list[EstimateCheck] = []
    late: list[LatePerformance] = []
    for then in same_model[max(0, len(same_model) - params.monitoring.checked_windows) :]:
        labelled = _labelled_since(database, window, reference, then.drift)
        measured = _measured(labelled, then.drift.window.images, reference, params)
        if measured.state == "ok":
            end, report_id = then.drift.window.end, then.drift.report_id
            late.append(LatePerformance(report_id=report_id, end=end, measured=measured))
        if estimator is not None:
            checks += _checks(labelled, reference, estimator, then.drift, params)
    return PerformanceResult(
        critical_label=critical_label,
        measured=_measured(
            _labelled(database, window, reference), observation.repeats.images, reference, params
        ),
        estimated=_estimated(estimator, observation, drift, params),
        checks=checks,
        late=late,
    )


def _measured(
    labelled: "Labelled", answered: int, reference: "Reference", params: Params
) -> MeasuredPerformance:
    from ml.monitoring.performance import measure_performance

    return measure_performance(
        labelled,
        answered=answered,
        labels=reference.bundle.labels,
        critical_label=params.data.critical_label,
        confidence=params.monitoring.confidence,
        min_labelled=params.monitoring.min_labelled,
    )


def _estimated(
    estimator: "Estimator | None", observation: "Observation", drift: DriftResult, params: Params
) -> EstimatedPerformance:
    from ml.monitoring.estimate import estimate_performance

    return estimate_performance(
        estimator,
        observation.confidences,
        effective=observation.repeats.effective,
        min_images=params.monitoring.min_window_images,
        confidence=params.monitoring.confidence,
        doubts=[drift.reason] if drift.state == "drifted" else [],
    )


def _checks(
    labelled: "Labelled",
    reference: "Reference",
    estimator: "Estimator",
    drift: DriftResult,
    params: Params,
) -> list[EstimateCheck]:
    from ml.monitoring.checks import check_estimate

    return check_estimate(
        drift.report_id,
        estimator,
        labelled,
        labels=reference.bundle.labels,
        critical_label=params.data.critical_label,
        confidence=params.monitoring.confidence,
        min_labelled=params.monitoring.min_labelled,
    )


def _labelled_since(
    database: "Engine", window: "Window", reference: "Reference", drift: DriftResult
) -> "Labelled":
    """Answers of an earlier window with the labels by now: those given after `window` are not
    known yet when it is looked at again later."""
    from ml.store.prediction_columns import Window

    then = Window(drift.window.start, drift.window.end, window.model_version, window.bundle)
    return _labelled(database, then, reference, known_until=window.until)


def _labelled(
    database: "Engine",
    window: "Window",
    reference: "Reference",
    *,
    known_until: datetime | None = None,
) -> "Labelled":
    from ml.monitoring.performance import Labelled
    from ml.monitoring.windows import frames
    from ml.store.prediction_columns import read_labelled_columns

    bundle = reference.bundle
    tables = read_labelled_columns(database, window, bundle.labels, known_until=known_until)
    return Labelled(frames(tables, bundle, reference.components), bundle.labels)


def _metrics(report: WatchReport) -> dict[str, float]:
    return dict(_metric_items(report))


def _metric_items(report: WatchReport) -> Iterator[tuple[str, float]]:
    drift, performance = report.drift, report.performance
    yield "images", drift.window.images
    yield "drifted_share", drift.drifted_share
    for signal in drift.signals:
        yield f"effect.{signal.name}", signal.effect
    yield "labelled", performance.measured.labelled
    for how in ("measured", "estimated"):
        for metric in ("accuracy", "critical_sensitivity", "critical_specificity"):
            interval = getattr(getattr(performance, how), metric)
            if interval is not None:
                yield f"{how}.{metric}", interval.estimate
                yield f"{how}.{metric}.lower", interval.lower
                yield f"{how}.{metric}.upper", interval.upper
