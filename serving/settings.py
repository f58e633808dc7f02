"""The server's settings: the only server module that reads or sets the environment."""

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.contract.decoding import DecodeLimits, FramePolicy
from ml.contract.engine import EngineSetting
from ml.contract.errors import InvalidParams

_LIBRARY_ENVIRONMENT = {
    # The registry client may neither phone home, unpickle, nor wait for minutes on a dead server.
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "OTEL_SERVICE_NAME": "vigie",
}


class Settings(BaseSettings):
    """Read from `VIGIE_*` (and `MLFLOW_TRACKING_URI`); every value has a working default, which
    an empty variable means as well."""

    model_config = SettingsConfigDict(
        env_prefix="VIGIE_",
        env_ignore_empty=True,  # Compose passes on what nobody set
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = Path("var")
    """All state; the server keeps its own under `home/serving`."""

    database_url: str | None = None
    """SQLAlchemy URL of predictions and feedback; default SQLite in `home`."""

    tracking_uri: str | None = Field(
        None, validation_alias=AliasChoices("MLFLOW_TRACKING_URI", "VIGIE_TRACKING_URI")
    )
    """The model registry; default an SQLite file in `home`."""

    model_name: str = "vigie"
    """Name of the registered model."""

    alias: str = "production"
    """The registry alias that this server follows."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""

    port: int = Field(8080, ge=0, le=65535)
    """Port to listen on; 0 picks a free one."""

    poll_seconds: float = Field(5.0, gt=0)
    """How often the source is asked for another model; each wait varies by ±20 %."""

    webhook_secret: SecretStr | None = None
    """Secret of the registry's webhook to `/hooks/registry`; without one there is no such route."""

    api_keys_file: Path | None = None
    """Who may ask for what: see `vigie keys`. Default `home/secrets/api-keys.json` where there is
    one; without keys and identity provider the server listens on the loopback address only."""

    requests_per_minute: int = Field(600, ge=1)
    """Requests that one key or token may make in a minute, where the key names no other number."""

    oidc_issuer: str | None = None
    """Identity provider whose tokens are accepted beside keys (extra `oidc`)."""

    oidc_audience: str = "vigie"
    """What its tokens must be made out for."""

    oidc_jwks_url: str | None = None
    """Where it publishes its keys."""

    tls_certificate: Path | None = None
    """Certificate chain (PEM) to serve HTTPS with; needs `tls_key`."""

    tls_key: Path | None = None
    """Its private key (PEM)."""

    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Images that are decoded and inferred at the same time; default one per core."""

    engine: EngineSetting = "auto"
    """What runs the model: `auto` measures the engines that are installed and takes the fastest
    that answers as ONNX Runtime does; `onnxruntime` or `openvino` pins one."""

    queue_limit: int = Field(64, ge=0)
    """Images that may wait for a worker; beyond, requests are refused with 429."""

    max_bytes: int = Field(20 * 2**20, ge=1)
    """Largest image file, in bytes."""

    max_pixels: int = Field(40_000_000, ge=1)
    """Largest image, in pixels. Decoding one takes at most 40 bytes a pixel, in each worker."""

    frames: FramePolicy = "refuse"
    """Of a file of several frames or pages: `refuse` it, or answer for its `first` or `middle`
    one. The same as `data.frames` that the model was trained with."""

    max_batch_files: int = Field(64, ge=1)
    """Most images in one batch."""

    max_batch_bytes: int = Field(200 * 2**20, ge=1)
    """Largest body of a batch, in bytes."""

    head_seconds: float = Field(20.0, gt=0)
    """How long a connection may take to say what it wants: request line and headers."""

    body_seconds: float = Field(120.0, gt=0)
    """How long the body of a request may take to arrive."""

    max_outbox_bytes: int = Field(2**30, ge=2**17)
    """The server stops answering when this much of its log waits for the database."""

    review_images: int = Field(20, ge=0)
    """Images of a day that are kept for persons to label (`/review`), of each reason and of a
    sample: pixels only, in the database. 0 keeps none."""

    review_days: int = Field(14, ge=1, le=90)
    """Days after which an image is forgotten that nobody labelled."""

    review_max_bytes: int = Field(2**29, ge=2**20)
    """Most bytes of images that are kept in all."""

    review_text: Literal["refuse", "accept"] = "refuse"
    """DICOM images that declare text in their pixels, or whose kind usually carries text and that
    do not exclude it: never kept, or kept, where somebody has seen that there is none."""

    review_blinded: bool = True
    """Whether the model's answer is shown only after a person's."""

    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Where OpenTelemetry traces go (extra `tracing`); the library reads this and the other
    `OTEL_*` variables itself. Default none."""

    drain_seconds: int = Field(30, ge=0)
    """How long a stopping server lets requests end."""

    @property
    def folder(self) -> Path:
        """The server's own state."""
        return self.home.resolve() / "serving"

    @property
    def key_file(self) -> Path | None:
        """The key file: the one that was named, or the default one where it exists."""
        usual = self.home.resolve() / "secrets" / "api-keys.json"
        return self.api_keys_file or (usual if usual.is_file() else None)

    @property
    def database(self) -> str:
        """The database's URL, default filled in."""
        return self.database_url or f"sqlite:///{self.home.resolve()}/vigie.db"

    @property
    def registry(self) -> str:
        """The registry's URI, default filled in."""
        return self.tracking_uri or f"sqlite:///{self.home.resolve()}/mlflow/mlflow.db"

    @property
    def limits(self) -> DecodeLimits:
        """Bounds for one image."""
        return DecodeLimits(self.max_bytes, self.max_pixels, self.frames)


def load_settings() -> Settings:
    """Read the environment once and set what the libraries need, without overruling the user.

    Raises:
        InvalidParams: a variable holds what it must not.
    """
    for name, value in _LIBRARY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"VIGIE_{name.upper()}"
        raise InvalidParams(
            f"{variable} cannot be used: {first['msg']}.",
            remedy="Correct or unset it; serving/settings.py lists all.",
        ) from error
