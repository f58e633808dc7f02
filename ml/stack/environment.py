"""The environment that the local stack's processes run in."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from ml.stack.config import HOST, Cluster, StackConfig

MARK_VARIABLE = "VIGIE_STACK_MARK"

_MLFLOW = {
    # Job runners would be ten more processes and 1.5 GB for something that is not used.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}


def stack_environment(config: StackConfig, *, base: Mapping[str, str], mark: str) -> dict[str, str]:
    """One environment for all parts; `mark` names this start in every process it brings forth."""
    return {
        **base,
        **_vigie(config),
        **_airflow(config, keys(config.home)),
        **(_celery(config.cluster, config) if config.cluster else {}),
        **_MLFLOW,
        "MLFLOW_BACKEND_STORE_URI": config.database("mlflow"),
        MARK_VARIABLE: mark,
    }


def keys(home: Path) -> dict[str, str]:
    """Airflow's secrets, made on first use and readable by their owner alone."""
    path = home / "secrets" / "airflow.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = {
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "jwt_secret": secrets.token_urlsafe(48),
            "secret_key": secrets.token_urlsafe(48),
        }
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(made))
        temporary.replace(path)
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def _vigie(config: StackConfig) -> dict[str, str]:
    profile = {"VIGIE_PROFILE": config.profile} if config.profile else {}
    host, port = config.receiver or ("", "")
    receiver = {"VIGIE_DICOM_HOST": host, "VIGIE_DICOM_PORT": str(port)} if config.receiver else {}
    return {
        **profile,
        **receiver,
        "VIGIE_HOME": str(config.home),
        "VIGIE_LANDING_ZONE": str(config.landing),
        "VIGIE_STORE": str(config.store),
        "VIGIE_PORT": str(config.server_port),
        "VIGIE_AIRFLOW_PORT": str(config.airflow_port),
        "VIGIE_MLFLOW_PORT": str(config.mlflow_port),
        "MLFLOW_TRACKING_URI": config.mlflow_url,
        **({"VIGIE_DATABASE_URL": config.database("vigie")} if config.postgres else {}),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
    }


def _airflow(config: StackConfig, key: Mapping[str, str]) -> dict[str, str]:
    sections = {
        "CORE": {
            "DAGS_FOLDER": str(config.project / "dags"),
            "PLUGINS_FOLDER": str(config.project / "plugins"),
            "LOAD_EXAMPLES": "False",
            "EXECUTOR": "LocalExecutor",
            "PARALLELISM": str(config.parallelism),
            "FERNET_KEY": key["fernet_key"],
            "EXECUTION_API_SERVER_URL": f"{config.airflow_url}/execution/",
            # Workers are forked off the scheduler, which has Airflow imported already.
            "MP_START_METHOD": "fork",
            "MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
        },
        "API": {
            "HOST": HOST,
            "PORT": str(config.airflow_port),
            "BASE_URL": config.airflow_url,
            "WORKERS": "1",
            "SECRET_KEY": key["secret_key"],
            "INSTANCE_NAME": "Vigie",
        },
        "API_AUTH": {"JWT_SECRET": key["jwt_secret"]},
        "SCHEDULER": {
            # Seconds matter more than idle load on one machine.
            "SCHEDULER_HEARTBEAT_SEC": "1",
            "SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            # SQLite locks the file as a whole.
            "USE_ROW_LEVEL_LOCKING": str(bool(config.postgres)),
            # Tasks that `down` killed are taken up again two minutes after the next `up`.
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
        },
        "DAG_PROCESSOR": {
            "PARSING_PROCESSES": "2",
            "MIN_FILE_PROCESS_INTERVAL": "60",
            "REFRESH_INTERVAL": "30",
            "STALE_DAG_THRESHOLD": "120",
        },
        "DATABASE": {"SQL_ALCHEMY_CONN": config.database("airflow")},
        "LOGGING": {"COLORED_CONSOLE_LOG": "False"},
    }
    return {"AIRFLOW_HOME": str(config.airflow_home), **_variables(sections)}


def _celery(cluster: Cluster, config: StackConfig) -> dict[str, str]:
    sections = {
        "CORE": {"EXECUTOR": "CeleryExecutor"},
        "CELERY": {
            "BROKER_URL": cluster.broker,
            "RESULT_BACKEND": f"db+{config.database('airflow')}",
            "WORKER_CONCURRENCY": "1",
            "SYNC_PARALLELISM": "1",
        },
        # Beyond, Redis gives a task that still runs to another worker as well.
        "CELERY_BROKER_TRANSPORT_OPTIONS": {"VISIBILITY_TIMEOUT": str(7 * 24 * 3600)},
        "SCHEDULER": {"TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(cluster.patience)},
    }
    return {"VIGIE_TRAINING_QUEUE": cluster.training_queue, **_variables(sections)}


def _variables(sections: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"AIRFLOW__{section}__{option}": value
        for section, options in sections.items()
        for option, value in options.items()
    }
