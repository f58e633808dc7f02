"""Watch what production sees; ask for a new model when it drifts for long enough."""

from airflow.sdk import CronTriggerTimetable, dag, get_current_context
from airflow.sdk.exceptions import AirflowSkipException
from vigie_assets import RETRAIN
from vigie_tasks import PARAMS, Json, run_params, stage

from ml.settings import load_settings


@stage()
def watch() -> Json:
    """Report on drift and performance of the last window."""
    from ml.journey.drift import watch

    settings = load_settings()
    result = watch(settings.workspace, run_params(settings))
    folder = settings.workspace.drift_reports / result.report_id
    return {
        "report_id": result.report_id,
        "state": result.state,
        "images": result.images,
        "drifted_share": result.drifted_share,
        "report": str(folder / "report.html"),
    }


@stage(outlets=[RETRAIN])
def retrain() -> Json:
    """Emit a retrain event with its reason; skipped when there is none."""
    from ml.journey.retrain import decide

    settings = load_settings()
    decision = decide(settings.workspace, run_params(settings))
    if not decision.retrain:
        raise AirflowSkipException(f"No retraining: {decision.reason}")
    get_current_context()["outlet_events"][RETRAIN].extra = {"reason": decision.reason}
    return decision.model_dump(mode="json")


@dag(
    schedule=CronTriggerTimetable("0 6 * * 1", timezone="UTC"),
    max_active_runs=1,
    catchup=False,
    params=PARAMS,
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_monitor() -> None:
    """Weekly, and on demand."""
    watch() >> retrain()


vigie_monitor()
