"""What parsing costs and what it must not import, in a process that has done nothing else."""

import json
import os
import subprocess
import sys

import pytest

from tests.dags.conftest import PROJECT

HEAVY = ["tensorflow", "keras", "onnxruntime", "great_expectations", "evidently", "mlflow"]
DAG_FILES = sorted(
    path.name
    for path in (PROJECT / "dags").glob("*.py")
    if path.name not in (PROJECT / "dags" / ".airflowignore").read_text().split()
)

# Like Airflow's dag processor, which imports Airflow once and parses in forks of itself.
_PARSE = """
import json, sys, time
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1], collect_dags=False)
began = time.process_time()
found = bag.process_file(sys.argv[1])
seconds = time.process_time() - began
heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
result = {"dags": len(found), "seconds": seconds, "heavy": heavy, "errors": bag.import_errors}
print("RESULT" + json.dumps(result))
"""


@pytest.mark.parametrize("name", DAG_FILES)
def test_a_dag_parses_fast_and_light(name):
    path = str(PROJECT / "dags" / name)
    places = os.pathsep.join([str(PROJECT / "dags"), str(PROJECT / "plugins")])
    outcome = subprocess.run(
        [sys.executable, "-c", _PARSE, path, json.dumps(HEAVY)],
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in outcome.stdout.splitlines() if line.startswith("RESULT"))
    result = json.loads(line.removeprefix("RESULT"))

    assert result["errors"] == {}
    assert result["dags"] == 1
    assert result["heavy"] == []
    assert result["seconds"] < 2
