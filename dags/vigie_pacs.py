"""The hospital's archive: its images land, its studies are answered."""

from datetime import timedelta

from airflow.sdk import dag
from vigie_tasks import PARAMS, Json, run_params, stage

from ml.settings import load_settings


# One retry: the next run is the better one, and pauses of one task would hold up the other's.
@stage(retries=1)
def collect() -> Json:
    """Land the images of what became complete since the last look, de-identified."""
    from ml.journey.pacs_collect import collect

    settings = load_settings()
    seen = collect(settings.workspace, run_params(settings), settings.archive)
    return seen.model_dump(mode="json")


@stage(retries=1)
def answer() -> Json:
    """Answer what became complete since the last look, and store the reports there."""
    from ml.journey.pacs_answer import answer

    settings = load_settings()
    seen = answer(
        settings.workspace,
        run_params(settings),
        settings.archive,
        server_url=settings.serving_url,
        server_headers=settings.serving_headers,
    )
    return seen.model_dump(mode="json")


@dag(
    # Without an archive there is nothing to look at.
    schedule=timedelta(minutes=1) if load_settings().archive.is_set else None,
    max_active_runs=1,
    catchup=False,
    params=PARAMS,
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_pacs() -> None:
    """Every minute, where an archive is configured. Neither task waits for the other.

    Each goes on where it was interrupted.
    """
    collect()
    answer()


vigie_pacs()
