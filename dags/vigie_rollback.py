"""Put the previous version back in production. Started by hand, with a reason."""

from airflow.sdk import Param, dag, get_current_context
from vigie_tasks import Json, actor, stage

from ml.settings import load_settings


@stage()
def seen() -> str | None:
    """Note which version is to leave: a rollback that is tried again must not undo itself."""
    from ml.journey.promote import in_production

    return in_production(load_settings().workspace)


@stage()
def rollback(leaving: str | None) -> Json:
    """Swap `production` and `previous`; the ledger keeps who and why."""
    from ml.journey.promote import rollback

    reason = get_current_context()["params"]["reason"]
    promotion = rollback(load_settings().workspace, expected=leaving, actor=actor(), reason=reason)
    return promotion.model_dump(mode="json")


@dag(
    schedule=None,
    max_active_runs=1,
    params={"reason": Param(type="string", minLength=3, description="Why; stands in the ledger.")},
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_rollback() -> None:
    """On demand."""
    rollback(seen())


vigie_rollback()
