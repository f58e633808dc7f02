import io

import pytest
from rich.console import Console

from ml.stack.airflow_client import TaskState
from ml.stack.board import Board
from ml.stack.errors import DemoFailed
from ml.stack.follow import FinishedRun, follow


def task(task_id, state, *, map_index=-1, seconds=1.0):
    return TaskState(task_id, map_index, task_id, state, seconds, 1)


class ScriptedAirflow:
    """Answers with one look after the other, the last one for ever."""

    def __init__(self, *looks):
        self._looks = list(looks)

    def run_state(self, dag_id, run_id):
        return self._looks[0][0]

    def tasks(self, dag_id, run_id):
        look = self._looks[0]
        if len(self._looks) > 1:
            self._looks.pop(0)
        return look[1]

    def log_tail(self, dag_id, run_id, task):
        return "the last line"


def run(airflow, *, patience=60.0):
    with Board("run", Console(file=io.StringIO())) as board:
        return follow(airflow, "vigie_train", "demo", board, patience=patience)


def test_a_run_is_followed_to_its_end():
    airflow = ScriptedAirflow(
        ("running", [task("train", "running")]), ("success", [task("train", "success")])
    )

    assert run(airflow).succeeded("train")


def test_a_failed_run_names_its_task_with_the_end_of_its_log():
    airflow = ScriptedAirflow(
        ("failed", [task("train", "failed"), task("seal", "upstream_failed")])
    )

    with pytest.raises(DemoFailed, match="Task train of vigie_train failed") as failed:
        run(airflow)

    assert "the last line" in failed.value.message


def test_a_run_that_stands_still_is_given_up():
    airflow = ScriptedAirflow(("running", [task("train", "queued")]))

    with pytest.raises(DemoFailed, match="not moved") as failed:
        run(airflow, patience=0)

    assert failed.value.reasons == ["still going: train"]


def test_mapped_tasks_take_as_long_as_the_longest():
    tasks = [
        task("members.train", "success", map_index=0, seconds=3.0),
        task("members.train", "success", map_index=1, seconds=5.0),
        task("promote", "skipped", seconds=0.0),
    ]

    assert FinishedRun("vigie_train", "demo", "success", tasks).seconds() == {"train": 5.0}
