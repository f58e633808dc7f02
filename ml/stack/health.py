"""Whether each part of the stack answers."""

import socket

import httpx

from ml.stack.config import HOST, StackConfig
from ml.stack.services import answering_workers

_AIRFLOW_PARTS = {
    "airflow-api": "metadatabase",
    "airflow-scheduler": "scheduler",
    "airflow-dags": "dag_processor",
    "airflow-triggerer": "triggerer",
}
_EVERYWHERE = {"": HOST, "0.0.0.0": HOST, "::": "::1"}  # noqa: S104 - to be told apart


def probe(config: StackConfig, *, seconds: float = 2.0) -> dict[str, bool]:
    """Process name → answers and calls itself healthy. Never raises: silence is an answer."""
    with httpx.Client(timeout=seconds, trust_env=False) as client:
        airflow = _airflow_health(client, config)
        return {
            **{name: airflow.get(part, False) for name, part in _AIRFLOW_PARTS.items()},
            "mlflow": _answers(client, f"{config.mlflow_url}/health"),
            "server": _answers(client, f"{config.server_url}/health/live"),
            **_workers(config, seconds),
            **({"receiver": _listens(config.receiver, seconds)} if config.receiver else {}),
        }


def _airflow_health(client: httpx.Client, config: StackConfig) -> dict[str, bool]:
    try:
        answer = client.get(f"{config.airflow_url}/api/v2/monitor/health")
        parts = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return {}
    return {part: state.get("status") == "healthy" for part, state in parts.items() if state}


def _workers(config: StackConfig, seconds: float) -> dict[str, bool]:
    if config.cluster is None:
        return {}
    # A busy worker's main process answers all the same.
    found = answering_workers(config.cluster, seconds=seconds)
    return {name: name in found for name in config.cluster.names}


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False


def _listens(address: tuple[str, int], seconds: float) -> bool:
    host, port = address
    try:
        # What listens to every address is reached at this machine's own.
        socket.create_connection((_EVERYWHERE.get(host, host), port), timeout=seconds).close()
    except OSError:
        return False
    return True
