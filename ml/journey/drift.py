"""Stage 13, watch: compare what production saw lately with what the model was validated on."""

import logging
from datetime import UTC, datetime, timedelta

from ml.contract.errors import NotFound
from ml.journey.run import database_of, tracker_of
from ml.journey.workspace import Workspace
from ml.monitoring.results import DriftResult
from ml.params import Params

log = logging.getLogger(__name__)
EXPERIMENT = "vigie-monitor"
_RESULT = "drift.json"


def watch(workspace: Workspace, params: Params, *, until: datetime | None = None) -> DriftResult:
    """Report on the window that ends at `until` (now if None), for the model in production.

    Raises:
        NotFound: nothing is in production.
    """
    from ml.monitoring.drift import measure_drift
    from ml.monitoring.performance import measure_performance
    from ml.monitoring.report import write_report
    from ml.monitoring.windows import frame_from_records, frame_from_reference
    from ml.registry.models import PRODUCTION, fetch_bundle, version_by_alias
    from ml.store.feedback import read_feedback
    from ml.store.predictions import read_predictions

    tracker = tracker_of(workspace)
    version = version_by_alias(tracker, PRODUCTION)
    if version is None:
        raise NotFound("Nothing is in production to watch.", remedy="Promote a model first.")
    end = until or datetime.now(UTC)
    start = end - timedelta(days=params.monitoring.window_days)
    database = database_of(workspace)
    records = read_predictions(
        database,
        since=start,
        until=end,
        limit=params.monitoring.max_window_images,
        model_version=version.version,
    )
    feedback = read_feedback(database, since=start)
    reference = frame_from_reference(fetch_bundle(tracker, version, workspace.bundles))
    current = frame_from_records(records)
    drift = measure_drift(
        reference,
        current,
        params=params.monitoring,
        model_version=version.version,
        window_start=start,
        window_end=end,
    )
    performance = measure_performance(
        records, feedback, critical_label=params.data.critical_label, labels=params.data.labels
    )
    folder = workspace.drift_reports / drift.report_id
    drift = write_report(reference, current, drift, performance, folder, params=params.monitoring)
    run_id = tracker.open_run(
        EXPERIMENT,
        drift.report_id,
        name=drift.report_id,
        tags={"vigie.model_version": version.version, "vigie.drift": drift.state},
    )
    tracker.log(run_id, metrics={"images": drift.images, "drifted_share": drift.drifted_share})
    tracker.log_folder(run_id, folder, "report")
    tracker.finish(run_id)
    log.info(
        "Window of %d images: %s (%.0f %% of signals moved). Report: %s",
        drift.images,
        drift.state,
        100 * drift.drifted_share,
        folder / "report.html",
    )
    return drift


def drift_history(workspace: Workspace) -> list[DriftResult]:
    """All reports so far, oldest window first."""
    results = [
        DriftResult.model_validate_json(path.read_bytes())
        for path in workspace.drift_reports.glob(f"*/{_RESULT}")
    ]
    return sorted(results, key=lambda result: result.window_end)
