"""What the DAGs look like once parsed."""

from datetime import timedelta

import pytest
from airflow._shared.timezones import timezone
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction

DAGS = {
    "vigie_ingest",
    "vigie_train",
    "vigie_monitor",
    "vigie_experiments",
    "vigie_rollback",
    "vigie_accept",
    "vigie_pacs",
    "vigie_review",
}


def downstream(dag, task_id):
    return dag.get_task(task_id).downstream_task_ids


BRANCHES = {"verdict", "approved"}


def test_all_dags_parse_without_errors(dagbag):
    assert dagbag.import_errors == {}
    assert set(dagbag.dag_ids) == DAGS


@pytest.mark.parametrize("dag_id", sorted(DAGS))
def test_every_dag_says_what_it_is_for_and_runs_once_at_a_time(dagbag, dag_id):
    dag = dagbag.dags[dag_id]

    assert dag.doc_md
    assert "vigie" in dag.tags
    assert dag.max_active_runs == 1
    assert dag.catchup is False


@pytest.mark.parametrize("dag_id", sorted(DAGS))
def test_every_stage_is_retried_with_growing_pauses(dagbag, dag_id):
    for task in dagbag.dags[dag_id].tasks:
        if task.task_id not in BRANCHES:
            assert task.retries >= 1, task.task_id
            assert task.retry_exponential_backoff > 1
            assert task.retry_delay <= timedelta(seconds=30)


def test_ingest_maps_over_shards_and_ends_with_a_dataset(dagbag):
    dag = dagbag.dags["vigie_ingest"]

    assert dag.get_task("ingest").is_mapped
    assert downstream(dag, "plan") >= {"ingest"}
    assert downstream(dag, "ingest") == {"validate"}
    assert downstream(dag, "validate") == {"dataset"}
    assert [asset.name for asset in dag.get_task("dataset").outlets] == ["vigie_dataset"]


def test_ingest_runs_hourly_and_when_files_have_landed(dagbag):
    schedule = dagbag.dags["vigie_ingest"].timetable

    assert schedule.timetable.expression == "0 * * * *"
    assert schedule.asset_condition.name == "vigie_landing"
    assert [watcher.name for watcher in schedule.asset_condition.watchers] == ["vigie_landing_zone"]


@pytest.mark.parametrize("dag_id", ["vigie_ingest", "vigie_train", "vigie_monitor", "vigie_review"])
@pytest.mark.parametrize("minutes", [1, 29, 601])
def test_a_new_installation_waits_for_the_next_time(dagbag, dag_id, minutes, monkeypatch):
    """Airflow's own default makes up for one that has just passed."""
    schedule = dagbag.dags[dag_id].timetable
    decoded = decode_timetable(encode_timetable(getattr(schedule, "timetable", schedule)))
    anytime = TimeRestriction(earliest=None, latest=None, catchup=False)

    def first_run_asked_at(now):
        monkeypatch.setattr("airflow.timetables.trigger.utcnow", lambda: now)
        return decoded.next_dagrun_info(
            last_automated_data_interval=None, restriction=anytime
        ).run_after

    some_run = first_run_asked_at(timezone.datetime(2026, 11, 25, 12, 1))
    asked = some_run + timedelta(minutes=minutes)
    assert first_run_asked_at(asked) > asked


def test_the_archive_is_looked_at_only_where_there_is_one(dagbag):
    """The tests have none."""
    assert dagbag.dags["vigie_pacs"].schedule is None


def test_what_the_archive_has_lands_whether_or_not_it_can_be_answered(dagbag):
    dag = dagbag.dags["vigie_pacs"]

    assert set(dag.task_ids) == {"collect", "answer"}
    assert not any(task.upstream_task_ids for task in dag.tasks)
    # A run that goes on trying would hold up the next minute's.
    assert all(task.retries == 1 for task in dag.tasks)


def test_train_runs_weekly_and_when_monitoring_asks(dagbag):
    schedule = dagbag.dags["vigie_train"].timetable
    retrain = dagbag.dags["vigie_monitor"].get_task("retrain")

    assert schedule.timetable.expression == "0 3 * * 0"
    assert schedule.asset_condition.name == "vigie_retrain"
    assert [asset.name for asset in retrain.outlets] == ["vigie_retrain"]


def test_old_answers_are_archived_whatever_the_watch_finds(dagbag):
    assert dagbag.dags["vigie_monitor"].get_task("archive").upstream_task_ids == set()


def test_the_ensemble_waits_for_all_members_but_not_for_their_export(dagbag):
    dag = dagbag.dags["vigie_train"]

    assert dag.get_task("ensemble").upstream_task_ids == {"members.train"}
    assert dag.get_task("seal").upstream_task_ids == {"ensemble", "members.export"}
    assert dag.get_task("members.train").max_active_tis_per_dag == 2


def test_nothing_is_promoted_without_evaluation_blessing_and_gate(dagbag):
    dag = dagbag.dags["vigie_train"]
    ancestors = dag.get_task("promote").get_flat_relative_ids(upstream=True)

    assert ancestors >= {"evaluate", "bless", "gate", "register", "verdict"}


def test_a_refusal_is_a_branch_of_its_own(dagbag):
    dag = dagbag.dags["vigie_train"]

    assert downstream(dag, "verdict") == {"promote", "refused", "ask"}
    assert downstream(dag, "promote") == set()
    assert downstream(dag, "refused") == set()


def test_a_person_is_asked_with_the_evidence_and_silence_refuses(dagbag):
    dag = dagbag.dags["vigie_train"]
    ask = dag.get_task("ask")

    assert ask.options == ["Approve", "Refuse"]
    assert ask.defaults == ["Refuse"]
    assert ask.response_timeout == timedelta(hours=72)
    assert "evidence" in ask.body
    assert downstream(dag, "ask") == {"answer"}
    assert downstream(dag, "answer") == {"approved", "refused"}
    assert downstream(dag, "approved") == {"promote", "refused"}


def test_rollback_asks_for_a_reason(dagbag):
    from airflow.sdk.exceptions import ParamValidationError

    params = dagbag.dags["vigie_rollback"].params

    with pytest.raises(ParamValidationError):
        params.validate()


def test_experiments_and_rollback_start_by_hand_only(dagbag):
    for dag_id in ("vigie_experiments", "vigie_rollback"):
        assert dagbag.dags[dag_id].timetable.can_be_scheduled is False
