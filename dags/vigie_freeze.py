"""The last task of whatever changes the manifest: freeze it and say so."""

from airflow.sdk import get_current_context
from vigie_assets import DATASET
from vigie_tasks import Json, link_to_data_docs, run_params, stage

from ml.settings import load_settings


@stage(outlets=[DATASET])
def dataset(validated: Json) -> Json:
    """Freeze everything accepted so far into a split, content-addressed snapshot."""
    from ml.journey.dataset import freeze

    settings = load_settings()
    info = freeze(settings.workspace, run_params(settings))
    link_to_data_docs("dataset", info.dataset_id)
    get_current_context()["outlet_events"][DATASET].extra = {
        "dataset_id": info.dataset_id,
        "verdict": validated["verdict"],
    }
    return info.model_dump(mode="json", exclude={"leak": {"conflicting_image_ids"}})
