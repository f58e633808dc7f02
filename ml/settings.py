"""The pipeline's settings: the only pipeline module that reads or sets the environment."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.journey.workspace import Workspace
from ml.params import Params, load_params

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

    landing_zone: Path | None = None
    """Folder in which new images arrive; default `home/landing`."""

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

    pacs_url: str | None = None
    """REST address of the hospital's Orthanc; without one no study is answered."""

    pacs_user: str | None = None
    """Its user, if it asks for one."""

    pacs_password: SecretStr | None = None
    """Its password."""

    server_url: str | None = None
    """The serving API that answers studies; default the local stack's."""

    @property
    def pacs_credentials(self) -> tuple[str, str] | None:
        """User and password of the archive, where it has a user."""
        if self.pacs_user is None:
            return None
        return self.pacs_user, self.pacs_password.get_secret_value() if self.pacs_password else ""

    @property
    def serving_url(self) -> str:
        """The serving API, default filled in."""
        return self.server_url or f"http://127.0.0.1:{self.port}"

    @property
    def workspace(self) -> Workspace:
        """The same settings as the explicit paths that stages take."""
        base = Workspace.at(self.home, expectations=self.expectations.resolve())
        return Workspace(
            home=base.home,
            landing=(self.landing_zone or base.landing).resolve(),
            expectations=base.expectations,
            database_url=self.database_url or base.database_url,
            tracking_uri=self.tracking_uri or base.tracking_uri,
            artifact_root=base.artifact_root if self.artifact_root is None else self.artifact_root,
            pseudonym_key_file=(self.pseudonym_key_file or base.pseudonym_key_file).resolve(),
        )

    def params(self, overrides: Sequence[str] = ()) -> Params:
        """Parameters of the chosen profile with `section.key=value` overrides."""
        return load_params(self.params_file, profile=self.profile, overrides=overrides)


def load_settings() -> Settings:
    """Read the environment once and set what the libraries need, without overruling the user."""
    for name, value in _LIBRARY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return Settings()
