"""Images that production answered are queued for a person; what the person says lands."""

from airflow.sdk import dag
from vigie_schedule import at
from vigie_tasks import PARAMS, Json, run_params, stage

from ml.settings import load_settings


@stage()
def land() -> Json:
    """Let labelled images land, and delete their pixels from the database."""
    from ml.journey.review_landing import land

    settings = load_settings()
    return land(settings.workspace, run_params(settings)).model_dump(mode="json")


@stage()
def queue() -> Json:
    """Choose what persons are asked about, within the bounds of each day and reason."""
    from ml.journey.review_queue import queue

    settings = load_settings()
    return queue(settings.workspace, run_params(settings)).model_dump(mode="json")


@dag(
    schedule=at("30 * * * *"),
    max_active_runs=1,
    catchup=False,
    params=PARAMS,
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_review() -> None:
    """Hourly, half an hour before the ingest. Neither task waits for the other."""
    land()
    queue()


vigie_review()
