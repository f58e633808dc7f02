"""Airflow for tests: a home of its own, set before anything imports Airflow."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
_HOME = tempfile.TemporaryDirectory(prefix="vigie-airflow-")

os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PROJECT / "plugins")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_HOME.name}/airflow.db"
# As Airflow does: modules of both folders are imported by their bare names.
sys.path[:0] = [str(PROJECT / "dags"), str(PROJECT / "plugins")]


@pytest.fixture(scope="session")
def dagbag():
    """All DAGs as Airflow's parser sees them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(PROJECT / "dags"), load_op_links=False)
