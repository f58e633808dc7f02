"""Airflow's API server with our plugins, as a process: `python -m tests.fakes.airflow_api PORT`.

Its home is `AIRFLOW_HOME`. Tables are made rather than migrated to, which takes a third of a
minute.
"""

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def main(port: str) -> None:
    home = os.environ["AIRFLOW_HOME"]
    os.environ |= {
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__SECRET_KEY": "a" * 64,
        "AIRFLOW__API_AUTH__JWT_SECRET": "b" * 64,
    }
    sys.path[:0] = [str(PROJECT / "plugins")]
    import uvicorn

    from tests.fakes.airflow_history import write_history

    write_history()
    from airflow.api_fastapi.app import create_app

    uvicorn.run(create_app(apps="core"), host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
