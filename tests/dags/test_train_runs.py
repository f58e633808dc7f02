"""The training DAG through real stages: a first model, a good challenger, a planted worse one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml.journey.promote import aliases
from ml.journey.workspace import Workspace
from ml.settings import PROJECT_ROOT
from ml.store import ledger
from ml.store.database import open_database
from tests.e2e.conftest import SMALL, vigie

pytestmark = pytest.mark.slow

GOOD = [*SMALL, "evaluation.paper_members=[]"]
OTHER_SEED = [*GOOD, "training.seed=21", "gates.accuracy_margin=1.0"]
# One epoch at a vanishing rate: still a model, and nothing learned.
WORSE = [*GOOD, "training.epochs=1", "training.learning_rate=1e-6", "gates.accuracy_floor=0.0"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train-dag") / "var"


@pytest.fixture(scope="module")
def runs(home: Path) -> list[dict[str, Any]]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")},
        "VIGIE_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow/airflow.db",
    }
    (home / "airflow").mkdir(parents=True)
    small = [part for text in SMALL for part in ("--set", text)]
    for command in (
        ("phantoms", str(home / "landing"), "--images", "500"),
        ("ingest", *small),
        ("validate", *small),
        ("dataset", *small),
    ):
        done = vigie(environment, *command)
        assert done.returncode == 0, done.stderr
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=180,
    )
    confs = [
        json.dumps({"overrides": overrides, "reason": reason})
        for overrides, reason in (
            (GOOD, "the first model"),
            (OTHER_SEED, "a challenger as good"),
            (WORSE, "a planted worse challenger"),
        )
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.dags.run_dag", "vigie_train", *confs],
        env=environment,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def workspace(home: Path) -> Workspace:
    return Workspace.at(home, expectations=PROJECT_ROOT / "expectations")


@pytest.mark.parametrize("number", [0, 1], ids=["first", "as good"])
def test_a_good_challenger_is_promoted(runs: list[dict[str, Any]], number: int) -> None:
    assert runs[number]["state"] == "success"
    assert runs[number]["tasks"]["promote"] == "success"
    assert runs[number]["tasks"]["refused"] == "skipped"


def test_a_worse_challenger_ends_as_a_visible_refusal(runs: list[dict[str, Any]]) -> None:
    refused = runs[2]
    assert refused["state"] == "success"
    assert refused["tasks"]["refused"] == "success"
    assert refused["tasks"]["promote"] == "skipped"


def test_a_refusal_leaves_production_as_it_was(
    runs: list[dict[str, Any]], workspace: Workspace
) -> None:
    named = {alias: version.version for alias, version in aliases(workspace).items()}
    assert named == {"production": "2", "previous": "1", "challenger": "3"}


def test_the_ledger_tells_each_decision_and_why(
    runs: list[dict[str, Any]], workspace: Workspace
) -> None:
    database = open_database(workspace.database_url)
    entries = ledger.read(database)
    ledger.verify(database)
    actions = [entry.action for entry in entries]
    assert actions == ["gate", "register", "promote"] * 2 + ["gate", "register"]
    assert "non inferior accuracy" in entries[6].reason
    assert [entry.reason for entry in entries[1:3]] == ["the first model"] * 2
    assert [entry.evidence["trigger"] for entry in entries[1:3]] == ["manual"] * 2
