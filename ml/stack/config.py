"""What one local stack is made of: its folder, its ports and the addresses that follow."""

import os
from dataclasses import dataclass
from pathlib import Path

from ml.settings import PROJECT_ROOT, Settings

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class StackConfig:
    """One stack.

    `landing` is where images arrive; `project` is the checkout with `dags/` and `plugins/`;
    `parallelism` is how many tasks run at a time; `profile` is what runs use that name none.
    """

    home: Path
    landing: Path
    project: Path
    airflow_port: int
    mlflow_port: int
    server_port: int
    parallelism: int
    profile: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "StackConfig":
        """The stack that these settings describe."""
        return cls(
            home=settings.workspace.home,
            landing=settings.workspace.landing,
            project=PROJECT_ROOT,
            airflow_port=settings.airflow_port,
            mlflow_port=settings.mlflow_port,
            server_port=settings.port,
            parallelism=min(4, (os.cpu_count() or 1) + 1),
            profile=settings.profile,
        )

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
        return {
            "Airflow": ("VIGIE_AIRFLOW_PORT", self.airflow_port),
            "MLflow": ("VIGIE_MLFLOW_PORT", self.mlflow_port),
            "the server": ("VIGIE_PORT", self.server_port),
        }
