"""The five experiments as sibling MLflow runs with one comparison table. Started by hand."""

from airflow.sdk import Param, dag, get_current_context
from vigie_tasks import PARAMS, Json, run_key, run_params, stage

from ml.settings import load_settings


@stage(retries=1)
def experiments() -> Json:
    """Run all five on one dataset."""
    from ml.journey.experiments import run_experiments

    settings = load_settings()
    table = run_experiments(
        settings.workspace,
        run_params(settings),
        get_current_context()["params"]["dataset_id"],
        run_key=run_key(),
    )
    return table.model_dump(mode="json")


@dag(
    schedule=None,
    max_active_runs=1,
    params={
        **PARAMS,
        "dataset_id": Param(
            None, type=["null", "string"], description="A frozen dataset; empty: the newest."
        ),
    },
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_experiments() -> None:
    """On demand."""
    experiments()


vigie_experiments()
