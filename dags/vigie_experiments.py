"""The five experiments and the ablation of what is done about rare classes, as sibling MLflow runs
with one comparison. Started by hand; what is already trained is not trained again on a retry."""

from airflow.sdk import Param, dag, get_current_context
from vigie_tasks import PARAMS, TRAINING, Json, link_to_mlflow, run_key, run_params, stage

from ml.settings import load_settings


@stage(retries=1, **TRAINING)
def experiments() -> Json:
    """Run all on one dataset; their headline numbers are handed on."""
    from ml.journey.experiments import run_experiments

    settings = load_settings()
    table = run_experiments(
        settings.workspace,
        run_params(settings),
        get_current_context()["params"]["dataset_id"],
        run_key=run_key(),
        on_start=link_to_mlflow,
    )
    return {
        row.name: {name: value.estimate for name, value in row.metrics.intervals().items()}
        for row in table.measured
    }


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
