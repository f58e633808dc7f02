"""Studies in the hospital's archive are answered, and their reports stored there."""

from datetime import timedelta

from airflow.sdk import dag
from vigie_tasks import PARAMS, Json, run_params, stage

from ml.settings import load_settings


@stage()
def answer() -> Json:
    """Answer what became complete since the last look; goes on where an interrupted one ended."""
    from ml.journey.pacs import look_at_archive

    settings = load_settings()
    seen = look_at_archive(
        settings.workspace,
        run_params(settings),
        pacs_url=settings.pacs_url,
        credentials=settings.pacs_credentials,
        server_url=settings.serving_url,
    )
    return seen.model_dump(mode="json")


@dag(
    # Without an archive there is nothing to look at.
    schedule=timedelta(minutes=1) if load_settings().pacs_url else None,
    max_active_runs=1,
    catchup=False,
    params=PARAMS,
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_pacs() -> None:
    """Every minute, where an archive is configured."""
    answer()


vigie_pacs()
