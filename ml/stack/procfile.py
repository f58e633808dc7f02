"""The stack's processes as a Procfile, which honcho runs."""

import shlex
import sys
from pathlib import Path

from ml.stack.config import HOST, Cluster, StackConfig


def commands(config: StackConfig) -> dict[str, list[str]]:
    """Process name → command. All bind to the loopback address only, save a receiver that is told
    otherwise."""
    airflow = [sys.executable, "-m", "airflow"]
    mlflow = [sys.executable, "-m", "mlflow", "server", "--host", HOST]
    mlflow += ["--port", str(config.mlflow_port), "--workers", "1"]
    # Its database stands in the environment: a command line can be read by every user.
    mlflow += ["--artifacts-destination", str(config.home / "mlflow" / "artifacts")]
    return {
        "airflow-api": [*airflow, "api-server"],
        # Task logs are read from the shared folder; no log server has to listen.
        "airflow-scheduler": [*airflow, "scheduler", "--skip-serve-logs"],
        "airflow-dags": [*airflow, "dag-processor"],
        "airflow-triggerer": [*airflow, "triggerer", "--skip-serve-logs"],
        "mlflow": mlflow,
        "server": [
            *(sys.executable, "-m", "serving"),
            *("--host", HOST, "--port", str(config.server_port)),
        ],
        "guard": [sys.executable, "-m", "ml.cli", "guard", "--watch"],
        **(_workers(config.cluster) if config.cluster else {}),
        **({"receiver": [sys.executable, "-m", "ml.cli", "receive"]} if config.receiver else {}),
    }


def _workers(cluster: Cluster) -> dict[str, list[str]]:
    keep = [sys.executable, "-m", "ml.stack.keep"]
    worker = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"]
    found = {}
    for name in cluster.names:
        queues = ["default", *([cluster.training_queue] if name == cluster.names[0] else [])]
        options = ["--queues", ",".join(dict.fromkeys(queues)), "--celery-hostname", name]
        found[name] = [*keep, *worker, *options]
    return found


def write_procfile(config: StackConfig) -> Path:
    """Write `run/Procfile`: each process notes its pid, then becomes the command.

    Output goes to `logs/<name>.log`. The shell is replaced by the command (`exec`), so the noted
    pid is the command's own and, as honcho gives each process a session of its own, the id of
    that session too.
    """
    lines = []
    for name, command in commands(config).items():
        pid_file = shlex.quote(str(pid_path(config, name)))
        log_file = shlex.quote(str(log_path(config, name)))
        lines.append(f"{name}: echo $$ > {pid_file}; exec {shlex.join(command)} >> {log_file} 2>&1")
    path = config.run / "Procfile"
    path.write_text("\n".join(lines) + "\n")
    return path


def pid_path(config: StackConfig, name: str) -> Path:
    """Where a process notes its pid."""
    return config.run / f"{name}.pid"


def log_path(config: StackConfig, name: str) -> Path:
    """Where a process logs."""
    return config.logs / f"{name}.log"
