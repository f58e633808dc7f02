"""How a function of the journey becomes an Airflow task.

The one place where the project's errors meet Airflow: a refusal or unusable input fails the task
at once, as a defect in the code does; an empty landing zone skips it, as do too few images for a
dataset, of which more will come; and what may pass (a server that does not answer, a full disk, a
killed process) is retried with growing pauses.
"""

import functools
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from ml.contract.errors import DatasetTooSmall, NothingToIngest, Refusal, Unavailable, VigieError
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


DATA_DOCS_URL_KEY = "data_docs_url"
"""XCom under which a task leaves the address of what its suites expected and saw."""

REPORT_URL_KEY = "report_url"
"""XCom under which a task leaves the address of what monitoring found."""


TRAINING = load_settings().training_placement
"""Options of tasks that train: where a Celery worker or a pod with a GPU takes them."""


def stage(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a task body that calls one `ml` function and returns small JSON."""

    def decorate(body: Callable[..., Any]) -> Any:
        @functools.wraps(body)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _airflow_errors():
                return body(*args, **kwargs)

        return task(**{**RETRIES, "multiple_outputs": False, **options})(run)

    return decorate


RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(minutes=10),
}


@contextmanager
def _airflow_errors() -> Iterator[None]:
    try:
        yield
    except (NothingToIngest, DatasetTooSmall) as nothing_yet:
        raise AirflowSkipException(str(nothing_yet)) from nothing_yet
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
    from ml.journey.run import key_of_dag_run

    return key_of_dag_run(get_current_context()["run_id"])


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


def link_to_data_docs(kind: str, identity: str) -> None:
    """Leave the address of the page of a `validation` or `dataset`, which the plugin serves."""
    _link(DATA_DOCS_URL_KEY, f"{kind}/{identity}")


def link_to_report(report_id: str) -> None:
    """Leave the address of a monitoring report's summary, which the plugin serves."""
    _link(REPORT_URL_KEY, f"watch/{report_id}/summary.html")


def _link(key: str, page: str) -> None:
    from airflow.sdk.configuration import conf

    root = conf.get("api", "base_url", fallback="").rstrip("/")
    get_current_context()["ti"].xcom_push(key=key, value=f"{root}/vigie/{page}")


def actor() -> str:
    """Who stands behind this DAG run, for the ledger."""
    return f"airflow:{get_current_context()['dag_run'].triggering_user_name or 'schedule'}"


def threads_of_one(tasks: int) -> int:
    """CPU threads for a task of which `tasks` run side by side."""
    return max(1, (os.cpu_count() or 1) // tasks)
