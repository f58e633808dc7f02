"""Two Celery workers over Redis and PostgreSQL; one is killed while it trains a member."""

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from celery import Celery
from rich.console import Console

from ml.data.phantoms import CohortSpec, write_cohort
from ml.journey.dataset import freeze
from ml.journey.ingest import ingest_shards, merge, plan
from ml.journey.promote import aliases
from ml.journey.run import EXPERIMENT, tracker_of
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import Params
from ml.settings import PROJECT_ROOT, Settings
from ml.stack.airflow_client import AirflowClient
from ml.stack.board import Board
from ml.stack.config import Cluster, StackConfig
from ml.stack.follow import FinishedRun, follow
from ml.stack.lifecycle import down, status, up
from ml.stack.procfile import log_path
from ml.stack.questions import wait_for_model
from ml.stack.record import read_record
from ml.stack.services import require_services
from ml.stack.welcome import login
from ml.store import ledger
from ml.store.database import open_database
from ml.training.member_files import read_member
from tests.e2e.conftest import SMALL
from tests.fakes.postgres_process import PostgresProcess
from tests.fakes.redis_database import empty_redis
from tests.unit.stack.conftest import free_port

pytestmark = [
    pytest.mark.distributed,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("celery"),
]

CHECKPOINT_FILE = "checkpoint.npz"
MEMBERS = ["cnn", "cnn-2"]
EPOCHS = 10
SMALLEST = [
    *SMALL,
    f"training.members={json.dumps(MEMBERS)}",
    f"training.epochs={EPOCHS}",
    # The same number of epochs, interrupted or not.
    f"training.early_stopping_patience={EPOCHS}",
    "evaluation.paper_members=[]",
]


@dataclass(frozen=True)
class Distributed:
    """What is left when the DAG has run.

    `epochs` are those that the killed training had behind it.
    """

    config: StackConfig
    workspace: Workspace
    trained: FinishedRun
    epochs: int


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distributed]:
    home = tmp_path_factory.mktemp("celery") / "var"
    with ExitStack() as stack:
        broker = stack.enter_context(empty_redis())
        postgres = stack.enter_context(PostgresProcess())
        config = StackConfig(
            home=home,
            landing=home / "landing",
            store=home / "store",
            project=PROJECT_ROOT,
            airflow_port=free_port(),
            mlflow_port=free_port(),
            server_port=free_port(),
            parallelism=2,
            postgres=postgres.url,
            cluster=Cluster(broker, workers=2, patience=30),
        )
        stack.callback(down, config)
        yield train_on_two_workers(config)


def train_on_two_workers(config: StackConfig) -> Distributed:
    workspace = replace(
        Workspace.at(config.home, expectations=PROJECT_ROOT / "expectations"),
        database_url=config.database("vigie"),
        tracking_uri=config.mlflow_url,
    )
    require_services(config)
    freeze_dataset(workspace, Settings().params(SMALLEST))
    up(config, on_state=lambda part, state: None)
    with AirflowClient(config.airflow_url, *login(config)) as airflow:
        airflow.wait_until_parsed("vigie_train", seconds=90)
        airflow.unpause("vigie_train")
        airflow.trigger("vigie_train", "train", {"overrides": SMALLEST})
        checkpoint = workspace.run("train") / "members" / MEMBERS[0] / CHECKPOINT_FILE
        until(checkpoint.exists, "first epoch", seconds=300)
        epochs = kill(config, who_trains(config.cluster), checkpoint)
        with Board("vigie_train", Console(file=io.StringIO())) as board:
            trained = follow(airflow, "vigie_train", "train", board, patience=400)
    return Distributed(config, workspace, trained, epochs)


def freeze_dataset(workspace: Workspace, params: Params) -> None:
    """As a person would before there are workers: nothing here is about Celery."""
    landing = Path(str(workspace.landing))
    write_cohort(CohortSpec(images=500, images_per_patient=(1, 3)), landing)
    batch = plan(workspace, params)
    ingest_shards(workspace, params, batch, workers=1, on_progress=lambda files: None)
    merge(workspace, batch.batch_id)
    validate(workspace, params, batch.batch_id)
    freeze(workspace, params)


def until(there: Callable[[], Any], what: str, *, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        time.sleep(0.1)
    return found


def who_trains(cluster: Cluster) -> str:
    """The worker that trains the first member now."""
    with Celery(broker=cluster.broker, set_as_current=False) as app:
        active = app.control.inspect(limit=cluster.workers, timeout=20).active()
    for node, tasks in active.items():
        for task in tasks:
            instance = json.loads(task["args"][0])["ti"]
            if (instance["task_id"], instance["map_index"]) == ("members.train", 0):
                return node.partition("@")[2]
    raise AssertionError(f"nobody trains: {active}")


def kill(config: StackConfig, worker: str, checkpoint: Path) -> int:
    """`kill -9` of a worker with all its children, as when its machine dies; epochs until then."""
    record = read_record(config.run / "stack.json")
    (keeper,) = [part.pid for part in record.processes if part.name == worker]
    family = psutil.Process(keeper).children(recursive=True)
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)
    with np.load(checkpoint) as found:
        return len(json.loads(found["state"].tobytes())["history"])


def test_both_workers_took_part(distributed: Distributed) -> None:
    for name in ("worker-1", "worker-2"):
        log = log_path(distributed.config, name).read_text()
        assert log.count("Executing workload") >= 3, name


def test_the_task_of_the_killed_worker_is_run_again_and_no_other(distributed: Distributed) -> None:
    trained = distributed.trained
    assert trained.state == "success"
    assert trained.succeeded("promote")
    tries = {
        (task.task_id, task.map_index): task.tries
        for task in trained.tasks
        if task.state == "success"
    }
    assert tries.pop(("members.train", 0)) == 2
    assert set(tries.values()) == {1}


def test_training_goes_on_after_the_epochs_that_were_done(distributed: Distributed) -> None:
    assert 1 <= distributed.epochs < EPOCHS
    for member in MEMBERS:
        history = read_member(distributed.workspace.run("train") / "members" / member).history
        assert [record.epoch for record in history] == list(range(1, EPOCHS + 1))


def test_nothing_is_registered_twice(distributed: Distributed) -> None:
    database = open_database(distributed.workspace.database_url)
    ledger.verify(database)
    assert [entry.action for entry in ledger.read(database)] == ["gate", "register", "promote"]
    named = {alias: found.version for alias, found in aliases(distributed.workspace).items()}
    assert named == {"production": "1", "challenger": "1"}
    client = tracker_of(distributed.workspace).client
    (experiment,) = client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == sorted(["train", *MEMBERS])


def test_the_killed_worker_is_back_and_the_server_answers(distributed: Distributed) -> None:
    assert status(distributed.config).is_healthy
    wait_for_model(distributed.config.server_url, "1", seconds=60)
