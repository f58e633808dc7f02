"""Take a batch that validation holds as it is, and freeze. Started by hand, with a reason."""

from airflow.sdk import Param, dag, get_current_context
from vigie_freeze import dataset
from vigie_tasks import PARAMS, Json, actor, link_to_data_docs, run_params, stage

from ml.settings import load_settings


@stage()
def accept() -> Json:
    """Commit the batch's sound images; its rejected files go to quarantine all the same."""
    from ml.journey.batches import accept

    chosen, settings = get_current_context()["params"], load_settings()
    report = accept(
        settings.workspace,
        run_params(settings),
        chosen["batch_id"],
        reason=chosen["reason"],
        actor=actor(),
    )
    link_to_data_docs("validation", report.batch_id)
    return report.model_dump(mode="json")


@dag(
    schedule=None,
    max_active_runs=1,
    catchup=False,
    params={
        **PARAMS,
        "batch_id": Param(type="string", minLength=4, description="As the batches' page shows it."),
        "reason": Param(type="string", minLength=3, description="Why; stands in the ledger."),
    },
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_accept() -> None:
    """On demand."""
    dataset(accept())


vigie_accept()
