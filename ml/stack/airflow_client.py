"""Airflow's REST API, as far as the demo and drills need it."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from ml.contract.errors import Unavailable

_PAGE = 100
_AGAIN = 3


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task instance; `label` tells mapped ones apart, empty until Airflow has named them."""

    task_id: str
    map_index: int
    label: str
    state: str
    seconds: float | None
    tries: int


class AirflowClient:
    """A logged-in session. Use as a context manager.

    Raises:
        Unavailable: by every method, when Airflow does not answer or answers with an error.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._login = {"username": user, "password": password}

    def __enter__(self) -> Self:
        """Log in."""
        token = self._call("POST", "/auth/token", json=self._login)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._http.close()

    def wait_until_parsed(self, dag_id: str, *, seconds: float) -> None:
        """Return once Airflow knows the DAG."""
        deadline = time.monotonic() + seconds
        while self._get_if_there(f"/api/v2/dags/{dag_id}") is None:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Airflow has not parsed {dag_id} within {seconds:.0f} s.",
                    remedy="See logs/airflow-dags.log and the import errors in Airflow's UI.",
                )
            time.sleep(0.5)

    def unpause(self, dag_id: str) -> None:
        """Let the DAG run."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a run under a name of ours."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)

    def runs(self, dag_id: str) -> list[str]:
        """The newest runs' names, newest first, whoever or whatever started them."""
        path = f"/api/v2/dags/{dag_id}/dagRuns"
        query = {"limit": _PAGE, "order_by": "-run_after"}
        return [str(run["dag_run_id"]) for run in self._call("GET", path, params=query)["dag_runs"]]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """`queued`, `running`, `success` or `failed`."""
        return str(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """All task instances of a run, in the order of the graph as far as they have started."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found = self._call("GET", path, params={"limit": _PAGE})["task_instances"]
        return [_task_state(item) for item in found]

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What an unmapped task returned, None if it returned nothing."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        entry = self._get_if_there(f"{path}/xcomEntries/return_value")
        return None if entry is None else entry["value"]

    def log_tail(self, dag_id: str, run_id: str, task: TaskState, *, lines: int = 15) -> str:
        """The last lines that a task logged, tracebacks left out."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}"
        params = {"map_index": task.map_index, "full_content": True}
        answer = self._call("GET", f"{path}/logs/{task.tries}", params=params)
        events = [_log_line(item) for item in answer["content"]]
        return "\n".join([line for line in events if line][-lines:])

    def _get_if_there(self, path: str) -> Any:
        answer = self._request("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._checked(answer, path)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return self._checked(self._request(method, path, **options), path)

    def _request(
        self, method: str, path: str, *, again: int = _AGAIN, **options: Any
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            # On a busy machine Airflow may be slow to answer; what only asks may ask again.
            if isinstance(error, httpx.TimeoutException) and method == "GET" and again:
                return self._request(method, path, again=again - 1, **options)
            raise Unavailable(f"Airflow does not answer: {error}.") from error

    def _checked(self, answer: httpx.Response, path: str) -> Any:
        if not answer.is_success:
            raise Unavailable(
                f"Airflow answered {answer.status_code} to {path}: {answer.text[:300]}"
            )
        return answer.json()


def _task_state(item: dict[str, Any]) -> TaskState:
    name = item["task_id"].rpartition(".")[2]
    if item["map_index"] >= 0:
        rendered = item["rendered_map_index"]
        name = f"{name} {rendered}" if rendered not in (None, str(item["map_index"])) else ""
    return TaskState(
        task_id=item["task_id"],
        map_index=item["map_index"],
        label=name,
        state=item["state"] or "waiting",
        seconds=item["duration"],
        tries=int(item["try_number"]),
    )


def _log_line(item: dict[str, Any] | str) -> str:
    if isinstance(item, str):
        return item
    event = str(item.get("event", ""))
    details = item.get("error_detail")
    if details:
        last = details[-1]
        return f"{event} {last.get('exc_type', '')}: {last.get('exc_value', '')}"
    return "" if event.startswith("::") else event
