"""Airflow's own state in numbers, by queries that stay cheap however long its history is."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.jobs.job import Job
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import func, literal_column, select

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from sqlalchemy.orm import Session

_ENDED = ("success", "failed")
_UNDER_WAY = ("queued", "running")
_UNFINISHED = (
    *("scheduled", "queued", "running", "restarting"),
    *("up_for_retry", "up_for_reschedule", "deferred", "awaiting_input"),
)
# As the services of docker-compose.yml name them.
_PARTS = {
    "SchedulerJob": "airflow-scheduler",
    "DagProcessorJob": "airflow-dags",
    "TriggererJob": "airflow-triggerer",
}


def airflow_numbers() -> Iterator["Metric"]:
    """All families, from one short transaction.

    Every query is bounded by an index: on what is not finished, on what was due within a day, or
    on the newest run of one DAG in one state. Rows are counted here, since SQLite would rather
    read the whole history than sort a few rows into groups.

    Raises:
        SQLAlchemyError: the database does not answer.
    """
    with create_session(scoped=False) as session:
        now = datetime.now(UTC)
        dags = [*session.execute(select(DagModel.dag_id, DagModel.is_paused).where(_is_known()))]
        names = [dag_id for dag_id, _ in dags]
        yield from _parts(session)
        yield from _dags(session, dict(dags))
        yield from _last_runs(session, names)
        yield from _runs(session, names, now)
        yield from _tasks(session, names, now)


def _is_known() -> Any:
    return DagModel.is_stale.is_(False)


def _parts(session: "Session") -> Iterator["Metric"]:
    from ml.telemetry.families import gauges

    beats = session.execute(
        select(Job.job_type, func.max(Job.latest_heartbeat))
        .where(Job.job_type.in_(_PARTS))
        .group_by(Job.job_type)
    )
    yield gauges(
        "vigie_airflow_heartbeat_timestamp_seconds",
        "When this part of Airflow last gave a sign of life, Unix time.",
        ["part"],
        {_PARTS[kind]: at.timestamp() for kind, at in beats if at is not None},
    )


def _dags(session: "Session", paused: dict[str, bool]) -> Iterator["Metric"]:
    from ml.telemetry.families import gauge, gauges

    yield gauges(
        "vigie_dag_paused",
        "1 where the schedule of a DAG is switched off.",
        ["dag_id"],
        {dag_id: float(is_paused) for dag_id, is_paused in paused.items()},
    )
    broken = session.scalar(select(func.count()).select_from(ParseImportError))
    yield gauge("vigie_dag_import_errors", "DAG files that cannot be imported.", broken or 0)


def _last_runs(session: "Session", names: list[str]) -> Iterator["Metric"]:
    from ml.telemetry.families import gauges

    last = {
        (dag_id, state): run
        for dag_id in names
        for state in _ENDED
        if (run := session.execute(_newest(dag_id, state)).first())
    }
    yield gauges(
        "vigie_dag_last_run_timestamp_seconds",
        "When the newest run that ended so did, Unix time.",
        ["dag_id", "state"],
        {key: run.end_date.timestamp() for key, run in last.items() if run.end_date},
    )
    yield gauges(
        "vigie_dag_last_run_duration_seconds",
        "How long the newest run that ended so took.",
        ["dag_id", "state"],
        {
            key: (run.end_date - run.start_date).total_seconds()
            for key, run in last.items()
            if run.end_date and run.start_date
        },
    )
    newest = {
        dag_id: max(
            (last[dag_id, state].id, state == "failed")
            for state in _ENDED
            if (dag_id, state) in last
        )
        for dag_id in {dag_id for dag_id, _ in last}
    }
    yield gauges(
        "vigie_dag_last_run_failed",
        "1 where the newest finished run failed.",
        ["dag_id"],
        {dag_id: newest.get(dag_id, (0, False))[1] for dag_id in names},
    )


def _newest(dag_id: str, state: str) -> Any:
    return (
        select(DagRun.id, DagRun.start_date, DagRun.end_date)
        .where(DagRun.dag_id == dag_id, DagRun.state == state)
        .order_by(DagRun.id.desc())
        .limit(1)
    )


def _runs(session: "Session", names: list[str], now: datetime) -> Iterator["Metric"]:
    from ml.telemetry.families import gauges

    states = (*_ENDED, *_UNDER_WAY)
    due = session.execute(select(DagRun.dag_id, DagRun.state).where(_of_the_day(now)))
    counts = Counter((dag_id, str(state)) for dag_id, state in due)
    yield gauges(
        "vigie_dag_runs_last_day",
        "Runs that were due within the last 24 hours, by their state now.",
        ["dag_id", "state"],
        {(dag_id, state): counts[dag_id, state] for dag_id in names for state in states},
    )
    ages = {(dag_id, state): 0.0 for dag_id in names for state in _UNDER_WAY}
    for state, since in (("queued", DagRun.queued_at), ("running", DagRun.start_date)):
        # The index on these states is partial: it is used where the state stands in the query.
        in_state = DagRun.state == literal_column(f"'{state}'")
        for dag_id, at in session.execute(select(DagRun.dag_id, since).where(in_state)):
            if (dag_id, state) in ages:
                ages[dag_id, state] = max(ages[dag_id, state], _age(now, at))
    yield gauges(
        "vigie_dag_run_oldest_age_seconds",
        "How long the oldest run has been in this state; 0 where none is.",
        ["dag_id", "state"],
        ages,
    )


def _tasks(session: "Session", names: list[str], now: datetime) -> Iterator["Metric"]:
    from ml.telemetry.families import gauges

    task = TaskInstance
    counts, ages = Counter[str](), dict.fromkeys(_UNFINISHED, 0.0)
    for state, queued, started in session.execute(
        select(task.state, task.queued_dttm, task.start_date).where(task.state.in_(_UNFINISHED))
    ):
        counts[state] += 1
        ages[state] = max(ages[state], _age(now, queued or started))
    yield gauges(
        "vigie_tasks",
        "Tasks that are not finished.",
        ["state"],
        {state: counts[state] for state in _UNFINISHED},
    )
    yield gauges(
        "vigie_task_oldest_age_seconds",
        "How long ago the first task in this state was queued; 0 where none is.",
        ["state"],
        ages,
    )
    failures, retries = Counter[str](), Counter[str]()
    for dag_id, state, tries in session.execute(
        select(task.dag_id, task.state, task.try_number)
        .join(DagRun, (DagRun.dag_id == task.dag_id) & (DagRun.run_id == task.run_id))
        .where(_of_the_day(now), (task.state == "failed") | (task.try_number > 1))
    ):
        failures[dag_id] += state == "failed"
        retries[dag_id] += max(tries - 1, 0)
    for name, what, found in (
        ("failures", "that failed", failures),
        ("retries", "tried again", retries),
    ):
        yield gauges(
            f"vigie_task_{name}_last_day",
            f"Tasks {what}, of runs that were due within the last 24 hours.",
            ["dag_id"],
            {dag_id: found[dag_id] for dag_id in names},
        )


def _of_the_day(now: datetime) -> Any:
    return DagRun.run_after >= now - timedelta(days=1)


def _age(now: datetime, since: datetime | None) -> float:
    return max((now - since).total_seconds(), 0.0) if since else 0.0
