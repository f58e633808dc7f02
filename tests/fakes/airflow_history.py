"""Airflow's own tables with a small history in them. Airflow must be configured before."""

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache

SCHEDULED = ("vigie_ingest", "vigie_train", "vigie_monitor", "vigie_pacs")
DAGS = (*SCHEDULED, "vigie_experiments", "vigie_rollback")


@cache
def written_at() -> datetime:
    """When this process wrote its history: modules of tests share it."""
    return datetime.now(UTC)


def write_history() -> None:
    """Six DAGs, of which the train DAG's newest run failed; one run is queued, one runs and waits
    for a person. All parts of Airflow are alive. A second call changes nothing."""
    from airflow import settings
    from airflow.jobs.job import Job
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    import_all_models()
    Base.metadata.create_all(settings.engine)
    now = written_at()
    with create_session(scoped=False) as session:
        if session.get(DagBundleModel, "dags"):
            return
        session.add(DagBundleModel(name="dags"))
        session.flush()
        for dag_id in DAGS:
            paused = dag_id not in SCHEDULED
            session.add(
                DagModel(dag_id=dag_id, bundle_name="dags", is_stale=False, is_paused=paused)
            )
        for kind in ("SchedulerJob", "DagProcessorJob", "TriggererJob"):
            session.add(Job(job_type=kind, state="running", latest_heartbeat=now))
        session.flush()
        for dag_id in SCHEDULED:
            _run(session, dag_id, "failed", now - timedelta(hours=30), minutes=1)
            _run(session, dag_id, "success", now - timedelta(hours=3), minutes=2)
        _run(session, "vigie_train", "failed", now - timedelta(hours=1), minutes=5, tries=3)
        _run(session, "vigie_ingest", "queued", now - timedelta(minutes=2))
        _run(session, "vigie_experiments", "running", now - timedelta(minutes=90), task="awaiting_input")  # fmt: skip # noqa: E501


@contextmanager
def question_about(run_id):
    """A run of the train DAG waits meanwhile for a person to approve or refuse; what became of it
    is to be asked with `answer_about`."""
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        now = datetime.now(UTC)
        identity = _run(session, "vigie_train", "running", now, run_id=run_id, task="awaiting_input", name="ask")  # fmt: skip # noqa: E501
        session.add(
            HITLDetail(
                ti_id=identity,
                options=["Approve", "Refuse"],
                subject="Put it into production?",
                params={},
                created_at=now,
            )
        )
    yield
    with create_session(scoped=False) as session:
        session.delete(session.get(HITLDetail, identity))
        session.flush()
        session.execute(DagRun.__table__.delete().where(DagRun.run_id == run_id))


def answer_about(run_id):
    """Options, name and parameters of the answer, and the state of the task that asked."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    asked = select(HITLDetail).join(TaskInstance, HITLDetail.ti_id == TaskInstance.id)
    with create_session(scoped=False) as session:
        found = session.scalars(asked.where(TaskInstance.run_id == run_id)).one()
        name = found.responded_by["name"] if found.responded_by else None
        return found.chosen_options, name, found.params_input, str(found.task_instance.state)


def _run(session, dag_id, state, at, *, minutes=None, task=None, tries=1, run_id="", name="one"):
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

    run_id = run_id or f"scheduled__{at.isoformat()}"
    identity = uuid.uuid4()
    session.execute(
        DagRun.__table__.insert(),
        {
            "dag_id": dag_id,
            "run_id": run_id,
            "run_type": "scheduled",
            "state": state,
            "run_after": at,
            "logical_date": at,
            "queued_at": at,
            "start_date": None if state == "queued" else at,
            "end_date": at + timedelta(minutes=minutes) if minutes else None,
        },
    )
    session.execute(
        TaskInstance.__table__.insert(),
        {
            "id": identity,
            "task_id": name,
            "dag_id": dag_id,
            "run_id": run_id,
            "map_index": -1,
            "state": task or state,
            "queued_dttm": at,
            "try_number": tries,
            "max_tries": 3,
            "hostname": "",
            "pool": "default_pool",
            "pool_slots": 1,
            "queue": "default",
            "priority_weight": 1,
            "executor_config": {},
        },
    )
    return identity
