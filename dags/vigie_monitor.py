"""Watch what production sees; ask for a new model when drift, labels or performance say so."""

from airflow.sdk import dag, get_current_context
from airflow.sdk.exceptions import AirflowSkipException
from vigie_assets import RETRAIN
from vigie_schedule import at
from vigie_tasks import PARAMS, Json, link_to_report, run_params, stage

from ml.settings import load_settings


@stage()
def watch() -> Json:
    """Report on drift and performance, measured and estimated, of the last window and of those
    that were missed before."""
    from ml.journey.drift import watch_on

    settings = load_settings()
    # When the run was due: a task that is run again looks at the same window again.
    due = get_current_context()["dag_run"].run_after
    report = watch_on(settings.workspace, run_params(settings), until=due)
    drift = report.drift
    link_to_report(drift.report_id)
    return {
        "report_id": drift.report_id,
        "state": drift.state,
        "reason": drift.reason,
        "images": drift.window.images,
        "drifted_share": drift.drifted_share,
        "report": drift.report,
    }


@stage(outlets=[RETRAIN])
def retrain() -> Json:
    """Emit a retrain event with its typed reason; skipped when there is none."""
    from ml.journey.retrain import decide

    settings = load_settings()
    decision = decide(settings.workspace, run_params(settings))
    if decision.report_id is not None:
        link_to_report(decision.report_id)
    if not decision.retrain:
        raise AirflowSkipException(f"No retraining: {decision.reason}")
    get_current_context()["outlet_events"][RETRAIN].extra = {
        "reason": decision.reason,
        "trigger": decision.trigger,
        "report_ids": [name for reason in decision.reasons for name in reason.report_ids],
    }
    return decision.model_dump(mode="json")


@stage()
def archive() -> Json:
    """Move old answers from the database into the archive."""
    from ml.journey.archive import archive

    settings = load_settings()
    return archive(settings.workspace, run_params(settings)).model_dump(mode="json")


@dag(
    schedule=at("0 6 * * 1"),
    max_active_runs=1,
    catchup=False,
    params=PARAMS,
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_monitor() -> None:
    """Weekly, and on demand."""
    watch() >> retrain()
    archive()


vigie_monitor()
