"""The pipeline's numbers for Prometheus, read when asked from what the stages left behind."""

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Header, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

# The scheduler loads plugins and its workers are forks of it: what is imported here stays as it
# was when the stack started, so the project's own code is imported when asked.
if TYPE_CHECKING:
    from ml.settings import Settings

app = FastAPI(title="Vigie pipeline", docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/metrics")
def metrics(authorization: Annotated[str, Header()] = "") -> Response:
    """All pipeline metrics in Prometheus' text format, for whoever has a key for metrics.

    Airflow asks nobody who calls a plugin's application to log in. Where there are no API keys the
    stack listens on its own machine alone, as the server does.
    """
    from ml.settings import load_settings

    settings = load_settings()
    if settings.key_file.is_file() and not _may_scrape(settings.key_file, authorization):
        return Response("A key for metrics is needed.", 401, {"WWW-Authenticate": "Bearer"})
    return Response(generate_latest(_registry(settings)), media_type=CONTENT_TYPE_LATEST)


@lru_cache(1)
def _registry(settings: "Settings") -> CollectorRegistry:
    from vigie_airflow_numbers import airflow_numbers

    from ml.telemetry.pipeline import sources_of
    from ml.telemetry.snapshots import Snapshots

    registry = CollectorRegistry()
    sources = sources_of(settings.workspace, settings.params)
    registry.register(Snapshots({**sources, "airflow": airflow_numbers}))
    return registry


def _may_scrape(key_file: Path, authorization: str) -> bool:
    from ml.contract.api_keys import allows, read_keys

    kind, _, presented = authorization.partition(" ")
    key = read_keys(key_file).find(presented.strip(), datetime.now(UTC))
    return kind.lower() == "bearer" and key is not None and allows(key.scopes, "metrics")
