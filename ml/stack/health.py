"""Whether each part of the stack answers."""

import httpx

from ml.stack.config import StackConfig

_AIRFLOW_PARTS = {
    "airflow-api": "metadatabase",
    "airflow-scheduler": "scheduler",
    "airflow-dags": "dag_processor",
    "airflow-triggerer": "triggerer",
}


def probe(config: StackConfig, *, seconds: float = 2.0) -> dict[str, bool]:
    """Process name → answers and calls itself healthy. Never raises: silence is an answer."""
    with httpx.Client(timeout=seconds, trust_env=False) as client:
        airflow = _airflow_health(client, config)
        return {
            **{name: airflow.get(part, False) for name, part in _AIRFLOW_PARTS.items()},
            "mlflow": _answers(client, f"{config.mlflow_url}/health"),
            "server": _answers(client, f"{config.server_url}/health/live"),
        }


def _airflow_health(client: httpx.Client, config: StackConfig) -> dict[str, bool]:
    try:
        answer = client.get(f"{config.airflow_url}/api/v2/monitor/health")
        parts = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return {}
    return {part: state.get("status") == "healthy" for part, state in parts.items() if state}


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False
