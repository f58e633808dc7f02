"""The pipeline's settings: the only pipeline module that reads or sets the environment."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.data.storage import place
from ml.journey.workspace import Workspace
from ml.pacs.address import ArchiveAddress
from ml.params import Params, load_params
from ml.store.database import on_server

PROJECT_ROOT = Path(__file__).resolve().parents[1]

_LIBRARY_ENVIRONMENT = {
    # No library may phone home, unpickle, or drown the log.
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # A process would take the whole memory of a GPU that members may share.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "KERAS_BACKEND": "tensorflow",
    "MPLBACKEND": "Agg",
}


class Settings(BaseSettings):
    """Read from `VIGIE_*` (and `MLFLOW_TRACKING_URI`); every value has a working default."""

    model_config = SettingsConfigDict(env_prefix="VIGIE_", extra="ignore", frozen=True)

    home: Path = Path("var")
    """All state: images, datasets, runs, databases, logs."""

    landing_zone: str | None = None
    """Folder or `s3://` prefix in which new images arrive; default `home/landing`."""

    store: str | None = None
    """Folder or `s3://` prefix of images, manifest, batches and quarantine; default `home/store`.
    Datasets lie beside it."""

    database_url: str | None = None
    """SQLAlchemy URL of predictions, feedback and ledger; default SQLite in `home`."""

    artifact_root: str | None = None
    """Where MLflow keeps artifacts; default in `home`; empty leaves it to the MLflow server."""

    tracking_uri: str | None = Field(
        None, validation_alias=AliasChoices("MLFLOW_TRACKING_URI", "VIGIE_TRACKING_URI")
    )
    """MLflow server; default an SQLite file in `home`."""

    pseudonym_key_file: Path | None = None
    """Key of patient pseudonyms; default `home/secrets/pseudonym.key`."""

    api_keys_file: Path | None = None
    """Who may ask the server for what; default `home/secrets/api-keys.json`."""

    params_file: Path = PROJECT_ROOT / "params.toml"
    """Reviewed parameters."""

    profile: str | None = None
    """Profile of `params.toml`; default the file's own."""

    expectations: Path = PROJECT_ROOT / "expectations"
    """Great Expectations suites."""

    airflow_port: int = Field(8090, ge=1, le=65535)
    """Airflow's UI and REST API in the local stack."""

    mlflow_port: int = Field(5000, ge=1, le=65535)
    """MLflow's UI and API in the local stack."""

    port: int = Field(8080, ge=1, le=65535)
    """The serving API in the local stack."""

    executor: Literal["local", "celery"] = "local"
    """What runs Airflow's tasks in the local stack: its scheduler, or Celery workers."""

    celery_workers: int = Field(2, ge=1)
    """Celery workers of the local stack; each runs one task at a time."""

    broker_url: SecretStr | None = None
    """Redis that hands tasks to Celery workers, `redis://[user:password@]host:port/number`."""

    postgres_url: SecretStr | None = None
    """PostgreSQL server of the local stack, `postgresql://user:password@host:port`; its databases
    are `airflow`, `mlflow` and `vigie`. Default SQLite files in `home`."""

    training_queue: str = "default"
    """Celery queue of the tasks that train; others go to `default`."""

    training_pod_template: str | None = None
    """With the KubernetesExecutor: the pod template of the tasks that train, if it is another."""

    pacs_url: str | None = None
    """REST address of the hospital's archive, if it is an Orthanc."""

    dicomweb_url: str | None = None
    """DICOMweb address of the archive, if it is another; without either, no study is looked at."""

    dicomweb_days: int = Field(7, ge=0)
    """How far back a study's date may lie to be found by DICOMweb."""

    pacs_user: str | None = None
    """The archive's user, if it asks for one."""

    pacs_password: SecretStr | None = None
    """Its password."""

    ae_title: str = "VIGIE"
    """The receiver's application entity title."""

    dicom_host: str = "127.0.0.1"
    """Where the receiver listens; beyond this machine only with peers."""

    dicom_port: int | None = Field(None, ge=1, le=65535)
    """The receiver's port; without one the local stack has no receiver."""

    dicom_peers: str = ""
    """Who may send to it: titles with commas between them, each with `@address` if you like."""

    dicom_certificate: Path | None = None
    """The receiver's certificate chain (PEM), if associations are to be encrypted."""

    dicom_key: Path | None = None
    """Its private key (PEM)."""

    dicom_authority: Path | None = None
    """Who has to have signed the certificates of callers (PEM); without it none is asked for."""

    server_url: str | None = None
    """The serving API that answers studies; default the local stack's."""

    server_key_file: Path | None = None
    """Holds the API key to ask it with, if it has keys: one with the scope `predict`."""

    @property
    def archive(self) -> ArchiveAddress:
        """The hospital's archive, with user and password where it has a user."""
        password = self.pacs_password.get_secret_value() if self.pacs_password else ""
        return ArchiveAddress(
            orthanc=self.pacs_url or None,
            dicomweb=self.dicomweb_url or None,
            credentials=(self.pacs_user, password) if self.pacs_user else None,
            days=self.dicomweb_days,
        )

    @property
    def serving_url(self) -> str:
        """The serving API, default filled in."""
        return self.server_url or f"http://127.0.0.1:{self.port}"

    @property
    def serving_headers(self) -> dict[str, str]:
        """What requests to the serving API carry.

        Raises:
            OSError: the key's file cannot be read.
        """
        path = self.server_key_file
        return {} if path is None else {"X-API-Key": path.read_text().strip()}

    @property
    def key_file(self) -> Path:
        """The server's API keys, default filled in."""
        return (self.api_keys_file or self.home / "secrets" / "api-keys.json").resolve()

    @property
    def training_placement(self) -> dict[str, Any]:
        """What tells Airflow's executors where tasks that train may run."""
        template = self.training_pod_template
        pod = {"executor_config": {"pod_template_file": template}} if template else {}
        return {"queue": self.training_queue, **pod}

    @property
    def workspace(self) -> Workspace:
        """The same settings as the explicit paths that stages take."""
        base = Workspace.at(self.home, expectations=self.expectations.resolve())
        return Workspace(
            home=base.home,
            landing=place(self.landing_zone or base.landing),
            store=place(self.store or base.store),
            expectations=base.expectations,
            database_url=self.database_url or self._on_postgres("vigie") or base.database_url,
            tracking_uri=self.tracking_uri or self._on_postgres("mlflow") or base.tracking_uri,
            artifact_root=base.artifact_root if self.artifact_root is None else self.artifact_root,
            pseudonym_key_file=(self.pseudonym_key_file or base.pseudonym_key_file).resolve(),
        )

    def _on_postgres(self, database: str) -> str | None:
        server = self.postgres_url
        return None if server is None else on_server(server.get_secret_value(), database)

    def params(self, overrides: Sequence[str] = ()) -> Params:
        """Parameters of the chosen profile with `section.key=value` overrides."""
        return load_params(self.params_file, profile=self.profile, overrides=overrides)


def load_settings() -> Settings:
    """Read the environment once and set what the libraries need, without overruling the user."""
    for name, value in _LIBRARY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return Settings()
