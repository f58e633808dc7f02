"""Answers Airflow's own question about a run that was decided on the model board."""

import logging
from typing import Any

_TRAIN, _ASK = "vigie_train", "ask"
log = logging.getLogger(__name__)


def answer_question(user: Any, run_key: str, *, approved: bool, reason: str) -> None:
    """Let the DAG run that waits for this decision go on. Without one nothing happens.

    The decision stands already: whatever fails here leaves the question open, and its answer or its
    time-out finds the decision.
    """
    try:
        _answer(user, run_key, "Approve" if approved else "Refuse", reason)
    except Exception:  # Airflow's part in it must not turn a decision into an error
        log.warning("The question about %s stays open in Airflow.", run_key, exc_info=True)


def _answer(user: Any, run_key: str, option: str, reason: str) -> None:
    from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
    from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from ml.journey.run import key_of_dag_run

    waiting = (
        select(TaskInstance.run_id)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(
            TaskInstance.dag_id == _TRAIN,
            TaskInstance.task_id == _ASK,
            HITLDetail.responded_at.is_(None),
        )
    )
    with create_session(scoped=False) as session:
        for run_id in session.scalars(waiting).all():
            if key_of_dag_run(run_id) == run_key:
                update_hitl_detail(
                    dag_id=_TRAIN,
                    dag_run_id=run_id,
                    task_id=_ASK,
                    update_hitl_detail_payload=UpdateHITLDetailPayload(
                        chosen_options=[option], params_input={"reason": reason}
                    ),
                    user=user,
                    session=session,
                )
