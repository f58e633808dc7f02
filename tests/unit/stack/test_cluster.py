"""Celery workers in the local stack, as far as no Redis is needed."""

from dataclasses import replace

import pytest

from ml.contract.errors import InvalidParams, Unavailable
from ml.settings import Settings
from ml.stack.config import Cluster, StackConfig
from ml.stack.environment import stack_environment
from ml.stack.errors import ServiceMissing
from ml.stack.procfile import commands
from ml.stack.services import answering_workers, require_services
from tests.fakes.postgres_process import PostgresProcess
from tests.unit.stack.conftest import free_port

SERVER = "postgresql://vigie:secret@db.example:5432"


@pytest.fixture
def clustered(config):
    nowhere = f"redis://:hidden@127.0.0.1:{free_port()}/0"
    return replace(config, postgres=SERVER, cluster=Cluster(nowhere, workers=3))


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"postgres_url": SERVER}, "VIGIE_BROKER_URL"),
        ({"broker_url": "redis://redis:6379/0"}, "VIGIE_POSTGRES_URL"),
    ],
)
def test_workers_without_what_they_need_are_refused_by_name(given, missing):
    with pytest.raises(ServiceMissing, match=missing):
        StackConfig.from_settings(Settings(executor="celery", **given))


def test_there_are_as_many_workers_as_were_asked_for_and_one_of_them_trains():
    settings = Settings(
        executor="celery",
        broker_url="redis://redis:6379/0",
        postgres_url=SERVER,
        celery_workers=7,
        training_queue="gpu",
    )
    config = StackConfig.from_settings(settings)

    workers = {name: line for name, line in commands(config).items() if name.startswith("worker")}

    queues = [line[line.index("--queues") + 1] for line in workers.values()]
    assert queues == ["default,gpu", *["default"] * 6]
    assert config.parallelism == 7


def test_the_local_executor_stays_the_default():
    config = StackConfig.from_settings(Settings())

    assert config.cluster is None
    assert not any(name.startswith("worker") for name in commands(config))


def test_airflow_is_told_by_its_environment_alone(clustered):
    environment = stack_environment(clustered, base={}, mark="m")

    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert environment["AIRFLOW__CELERY__BROKER_URL"] == clustered.cluster.broker
    assert environment["AIRFLOW__CELERY__RESULT_BACKEND"] == f"db+{clustered.database('airflow')}"
    assert environment["AIRFLOW__SCHEDULER__USE_ROW_LEVEL_LOCKING"] == "True"
    assert environment["VIGIE_DATABASE_URL"].endswith("@db.example:5432/vigie")
    assert environment["MLFLOW_BACKEND_STORE_URI"].endswith("@db.example:5432/mlflow")


def test_no_password_stands_in_a_command_or_a_printed_configuration(clustered):
    seen = str(commands(clustered)) + repr(clustered)

    assert "hidden" not in seen
    assert "secret@" not in seen


def test_tasks_that_train_go_to_their_queue_or_their_pod():
    assert Settings().training_placement == {"queue": "default"}
    assert Settings(
        training_queue="gpu", training_pod_template="/vigie/pods/training.yaml"
    ).training_placement == {
        "queue": "gpu",
        "executor_config": {"pod_template_file": "/vigie/pods/training.yaml"},
    }


def test_a_redis_that_is_silent_is_told_before_anything_starts(clustered):
    with pytest.raises(Unavailable, match="VIGIE_BROKER_URL"):
        require_services(clustered)


def test_workers_behind_a_silent_redis_are_not_there(clustered):
    assert answering_workers(clustered.cluster, seconds=0.2) == set()


def test_databases_that_are_missing_are_made_and_kept(config):
    with PostgresProcess() as postgres:
        served = replace(config, postgres=postgres.url)
        require_services(served)
        require_services(served)
        for name in ("airflow", "mlflow", "vigie"):
            assert served.database(name).startswith("postgresql+psycopg2://")


def test_another_kind_of_database_is_refused(config):
    with pytest.raises(InvalidParams, match="mysql is not PostgreSQL"):
        replace(config, postgres="mysql://host").database("vigie")
