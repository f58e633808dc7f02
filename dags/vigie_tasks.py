"""How a function of the journey becomes an Airflow task.

The one place where the project's errors meet Airflow: a refusal or unusable input fails the task
at once, as a defect in the code does; an empty landing zone skips it; and what may pass (a server
that does not answer, a full disk, a killed process) is retried with growing pauses.
"""

import functools
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from ml.contract.errors import NothingToIngest, Refusal, Unavailable, VigieError
from ml.settings import Settings, load_settings

if TYPE_CHECKING:
    from ml.params import Params

log = logging.getLogger(__name__)

Json = dict[str, Any]
Result = TypeVar("Result")

PARAMS = {
    "profile": Param(
        None, type=["null", "string"], description="Profile of params.toml; empty: the default."
    ),
    "overrides": Param(
        [],
        type="array",
        items={"type": "string"},
        description="Parameters to override, e.g. training.epochs=3.",
    ),
}
"""What every DAG that reads parameters can be triggered with."""

MLFLOW_URL_KEY = "mlflow_url"
"""XCom under which a task leaves the address of its MLflow run; the plugin links to it."""


def stage(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a task body that calls one `ml` function and returns small JSON."""

    def decorate(body: Callable[..., Any]) -> Any:
        @functools.wraps(body)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _airflow_errors():
                return body(*args, **kwargs)

        return task(**{**_RETRIES, "multiple_outputs": False, **options})(run)

    return decorate


_RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(minutes=10),
}


@contextmanager
def _airflow_errors() -> Iterator[None]:
    try:
        yield
    except NothingToIngest as nothing:
        raise AirflowSkipException(str(nothing)) from nothing
    except (Unavailable, OSError, AirflowException):
        raise
    except VigieError as error:
        for reason in error.reasons if isinstance(error, Refusal) else ():
            log.error("Reason: %s", reason)  # noqa: TRY400 - the reason, not another traceback
        raise AirflowFailException(f"{error.code}: {error}") from error
    except Exception as defect:  # whatever else it is, the same code would meet it again
        raise AirflowFailException(f"{type(defect).__name__}: {defect}") from defect


def run_params(settings: Settings) -> "Params":
    """Parameters as this DAG run was triggered with."""
    chosen = get_current_context()["params"]
    profile = [f"profile={chosen['profile']}"] if chosen.get("profile") else []
    return settings.params([*profile, *chosen.get("overrides", [])])


def run_key() -> str:
    """This DAG run's name as the journey knows it: the same for a task that is run again."""
    return re.sub(r"[^A-Za-z0-9]+", "-", get_current_context()["run_id"]).strip("-")


def on_run(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call a stage of this DAG run's training run and link the task to its MLflow run."""
    from ml.journey.run import Run

    workspace = load_settings().workspace
    result = function(workspace, run_key(), *args, **kwargs)
    link_to_mlflow(Run.open(workspace, run_key()).info.mlflow_url)
    return result


def link_to_mlflow(url: str) -> None:
    """Leave the address of the MLflow run with the task."""
    get_current_context()["ti"].xcom_push(key=MLFLOW_URL_KEY, value=url)
    log.info("MLflow: %s", url)


def actor() -> str:
    """Who stands behind this DAG run, for the ledger."""
    return f"airflow:{get_current_context()['dag_run'].triggering_user_name or 'schedule'}"


def threads_of_one(tasks: int) -> int:
    """CPU threads for a task of which `tasks` run side by side."""
    return max(1, (os.cpu_count() or 1) // tasks)
