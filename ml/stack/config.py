"""What one local stack is made of: its folder, its ports and the addresses that follow."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ml.data.storage import Place
from ml.settings import PROJECT_ROOT, Settings
from ml.stack.errors import ServiceMissing
from ml.store.database import on_server

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Celery workers instead of tasks that the scheduler forks.

    `broker` is the Redis between them; each of `workers` runs one task at a time, and the first
    serves `training_queue` too. A task that was not heard of for `patience` seconds was lost with
    its worker and is run again.
    """

    broker: str = field(repr=False)
    workers: int
    training_queue: str = "default"
    patience: int = 60

    @property
    def names(self) -> list[str]:
        """The workers, as processes and as Celery knows them."""
        return [f"worker-{number}" for number in range(1, self.workers + 1)]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """One stack.

    `landing` is where images arrive, `store` where they are kept; `project` is the checkout with
    `dags/` and `plugins/`; `parallelism` is how many tasks run at a time; `profile` is what runs
    use that name none; `receiver` is where images of the DICOM network are taken, if they are.
    `postgres` is the server that keeps the databases instead of SQLite, `cluster` the Celery
    workers, if there are any.
    """

    home: Path
    landing: Place
    store: Place
    project: Path
    airflow_port: int
    mlflow_port: int
    server_port: int
    parallelism: int
    profile: str | None = None
    receiver: tuple[str, int] | None = None
    postgres: str | None = field(default=None, repr=False)
    cluster: Cluster | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "StackConfig":
        """The stack that these settings describe.

        Raises:
            ServiceMissing: Celery is asked for, and Redis or PostgreSQL is not given.
        """
        cluster = _cluster(settings) if settings.executor == "celery" else None
        postgres = settings.postgres_url
        tasks = min(4, (os.cpu_count() or 1) + 1)
        return cls(
            home=settings.workspace.home,
            landing=settings.workspace.landing,
            store=settings.workspace.store,
            project=PROJECT_ROOT,
            airflow_port=settings.airflow_port,
            mlflow_port=settings.mlflow_port,
            server_port=settings.port,
            parallelism=max(tasks, cluster.workers) if cluster else tasks,
            profile=settings.profile,
            receiver=(settings.dicom_host, settings.dicom_port) if settings.dicom_port else None,
            postgres=postgres.get_secret_value() if postgres else None,
            cluster=cluster,
        )

    def database(self, name: str) -> str:
        """The URL of `airflow`'s, `mlflow`'s or `vigie`'s database."""
        if self.postgres:
            return on_server(self.postgres, name)
        files = {"vigie": "vigie.db", "airflow": "airflow/airflow.db", "mlflow": "mlflow/mlflow.db"}
        return f"sqlite:///{self.home}/{files[name]}"

    @property
    def airflow_url(self) -> str:
        """Airflow's UI and REST API."""
        return f"http://{HOST}:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """MLflow's UI and API."""
        return f"http://{HOST}:{self.mlflow_port}"

    @property
    def server_url(self) -> str:
        """The serving API and its page."""
        return f"http://{HOST}:{self.server_port}"

    @property
    def airflow_home(self) -> Path:
        """Airflow's database and task logs."""
        return self.home / "airflow"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Process ids and the Procfile of the running stack."""
        return self.home / "run"

    @property
    def passwords(self) -> Path:
        """Where Airflow's simple auth manager keeps the password that it made."""
        return self.airflow_home / "simple_auth_manager_passwords.json.generated"

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """Part → (environment variable that moves its port, port)."""
        receiver = {"the receiver": ("VIGIE_DICOM_PORT", self.receiver[1])} if self.receiver else {}
        return {
            "Airflow": ("VIGIE_AIRFLOW_PORT", self.airflow_port),
            "MLflow": ("VIGIE_MLFLOW_PORT", self.mlflow_port),
            "the server": ("VIGIE_PORT", self.server_port),
            **receiver,
        }


def _cluster(settings: Settings) -> Cluster:
    if settings.broker_url is None:
        raise ServiceMissing(
            "Celery workers need a Redis, and VIGIE_BROKER_URL is not set.",
            remedy="Set it to redis://host:6379/0, or leave VIGIE_EXECUTOR at local.",
        )
    if settings.postgres_url is None:
        raise ServiceMissing(
            "Celery workers need a PostgreSQL, and VIGIE_POSTGRES_URL is not set.",
            remedy="Set it to postgresql://user:password@host:5432; SQLite serves one scheduler.",
        )
    return Cluster(
        broker=settings.broker_url.get_secret_value(),
        workers=settings.celery_workers,
        training_queue=settings.training_queue,
    )
