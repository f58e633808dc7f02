"""Follow a DAG run to its end, task by task."""

import time
from dataclasses import dataclass

from ml.stack.airflow_client import AirflowClient, TaskState
from ml.stack.board import Board
from ml.stack.errors import DemoFailed

_ENDED = {"success", "failed"}
_NOT_STARTED = {"waiting", "scheduled", "queued", "removed", "upstream_failed"}


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A DAG run that ended in `success`, with its tasks."""

    dag_id: str
    run_id: str
    state: str
    tasks: list[TaskState]

    def seconds(self) -> dict[str, float]:
        """Task → seconds; the longest of mapped ones."""
        longest: dict[str, float] = {}
        for task in self.tasks:
            if task.seconds is not None and task.state == "success":
                name = task.task_id.rpartition(".")[2]
                longest[name] = round(max(task.seconds, longest.get(name, 0)), 1)
        return longest

    def succeeded(self, task_id: str) -> bool:
        """Whether this task ran, rather than being skipped."""
        return any(task.task_id == task_id and task.state == "success" for task in self.tasks)


def follow(
    airflow: AirflowClient, dag_id: str, run_id: str, board: Board, *, patience: float
) -> FinishedRun:
    """Show tasks as they go until the run ends.

    Raises:
        DemoFailed: the run failed (names the task, with the end of its log), or nothing moved
            for `patience` seconds.
    """
    last: list[tuple[str, str]] = []
    moved_at = time.monotonic()
    while True:
        state = airflow.run_state(dag_id, run_id)
        tasks = airflow.tasks(dag_id, run_id)
        now = [(task.label or task.task_id, task.state) for task in tasks]
        if now != last:
            last, moved_at = now, time.monotonic()
        _show(board, tasks)
        if state in _ENDED:
            break
        if time.monotonic() - moved_at > patience:
            going = [label for label, at in now if at in {"running", "queued", "up_for_retry"}]
            raise DemoFailed(
                f"{dag_id} has not moved for {patience / 60:.0f} min.",
                reasons=[f"still going: {', '.join(going) or 'nothing'}"],
                remedy="Look at the run in Airflow's UI.",
            )
        time.sleep(1)
    if state == "failed":
        raise _failure(airflow, dag_id, run_id, tasks)
    return FinishedRun(dag_id, run_id, state, tasks)


def _show(board: Board, tasks: list[TaskState]) -> None:
    """Rows appear as tasks start, so they stand in the order of events."""
    for task in tasks:
        if task.state in _NOT_STARTED or not task.label:
            continue
        ended = task.state in {"success", "failed"}
        note = f"try {task.tries}" if task.tries > 1 else ""
        board.set(task.label, task.state, note=note, seconds=task.seconds if ended else None)


def _failure(
    airflow: AirflowClient, dag_id: str, run_id: str, tasks: list[TaskState]
) -> DemoFailed:
    failed = [task for task in tasks if task.state == "failed"]
    if not failed:
        return DemoFailed(f"{dag_id} failed without a failed task.")
    first, *others = [task.label or task.task_id for task in failed]
    tail = airflow.log_tail(dag_id, run_id, failed[0])
    return DemoFailed(
        f"Task {first} of {dag_id} failed. The end of its log:\n{tail}",
        reasons=[f"also failed: {name}" for name in others],
        remedy="See the whole log in Airflow's UI.",
        details={"dag_id": dag_id, "run_id": run_id, "task_id": failed[0].task_id},
    )
