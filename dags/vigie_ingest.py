"""Landing zone to frozen dataset: ingest in shards, validate, freeze."""

from airflow.sdk import AssetOrTimeSchedule, dag
from vigie_assets import LANDING
from vigie_freeze import dataset
from vigie_schedule import at
from vigie_tasks import PARAMS, Json, link_to_data_docs, run_params, stage

from ml.settings import load_settings


@stage()
def plan() -> list[Json]:
    """List the new files and cut them into shards; skipped when there is none."""
    from ml.journey.ingest import plan

    settings = load_settings()
    batch = plan(settings.workspace, run_params(settings))
    return [{"batch_id": batch.batch_id, "index": index} for index in range(batch.shards)]


@stage(map_index_template="shard {{ task.op_kwargs['index'] }}")
def ingest(batch_id: str, index: int) -> Json:
    """Decode, de-identify, measure and store one shard."""
    from ml.journey.ingest import ingest_shard

    settings = load_settings()
    shard = ingest_shard(settings.workspace, run_params(settings), batch_id, index)
    return shard.model_dump(mode="json")


@stage()
def validate(shards: list[Json]) -> Json:
    """Join the shards, check every row and the batch as a whole, quarantine what fails."""
    from ml.journey.ingest import merge
    from ml.journey.validate import validate

    settings = load_settings()
    batch = merge(settings.workspace, shards[0]["batch_id"])
    # Before: a batch that is held has a page, too.
    link_to_data_docs("validation", batch.batch_id)
    report = validate(settings.workspace, run_params(settings), batch.batch_id)
    return report.model_dump(mode="json")


@dag(
    schedule=AssetOrTimeSchedule(timetable=at("0 * * * *"), assets=LANDING),
    max_active_runs=1,
    catchup=False,
    params=PARAMS,
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_ingest() -> None:
    """Hourly, and when files have landed."""
    shards = plan()
    ingested = ingest.expand_kwargs(shards)
    validated = validate(shards)
    ingested >> validated
    dataset(validated)


vigie_ingest()
