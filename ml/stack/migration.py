"""Bring Airflow's database to the installed version's schema."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version

from ml.stack.config import StackConfig
from ml.stack.errors import StackFailed


def migrate_airflow(config: StackConfig, environment: Mapping[str, str]) -> bool:
    """Run `airflow db migrate`, unless this version already did to the file; whether it ran.

    Raises:
        StackFailed: with the last lines of what the command printed.
    """
    marker = config.airflow_home / "migrated-to"
    installed = version("apache-airflow-core")
    database = config.airflow_home / "airflow.db"
    migrated = not config.postgres and database.exists()
    if migrated and marker.exists() and marker.read_text() == installed:
        return False
    outcome = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        last = "\n".join((outcome.stdout + outcome.stderr).splitlines()[-12:])
        raise StackFailed(f"airflow db migrate failed:\n{last}")
    marker.write_text(installed)
    return True
