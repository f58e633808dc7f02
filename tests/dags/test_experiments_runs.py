"""The experiments DAG through real trainings of a small network, one of which diverges, to its
MLflow runs."""

import json
import os
import subprocess
import sys

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from ml.data.phantoms import CohortSpec, write_cohort
from ml.evaluation.experiment_table import ExperimentTable
from ml.journey import ingest
from ml.journey.dataset import freeze
from ml.journey.experiments import EXPERIMENT
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.settings import PROJECT_ROOT, load_settings

# A whole comparison through Airflow, in processes that import TensorFlow anew.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TINY = (
    "profile=demo",
    "image.size=32",
    'training.members=["cnn"]',
    "training.epochs=1",
    "training.trainable_layers=3",
    "data.min_images_per_class=15",
    "data.min_groups_per_class=4",
    "data.shards=1",
    "evaluation.bootstrap_rounds=100",
    "quantization.max_flip_rate=1.0",
    "quantization.max_critical_loss=1.0",
    "quantization.min_saving=-1000.0",
    # From scratch it diverges.
    "experiments.baseline_learning_rate=1e30",
    'experiments.transfer="cnn"',
    'experiments.ablation=""',
)
EXPERIMENTS = {"scratch", "transfer", "augmentation", "ensemble", "int8"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = tmp_path_factory.mktemp("experiments-dag") / "var"
    (home / "airflow").mkdir(parents=True)
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    freeze_phantoms(workspace)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")},
        "VIGIE_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow/airflow.db",
    }
    for module in (
        ("airflow", "db", "migrate"),
        ("tests.dags.run_dag", "vigie_experiments", json.dumps({"overrides": list(TINY)})),
    ):
        ran = subprocess.run(
            [sys.executable, "-m", *module],
            env=environment,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert json.loads(ran.stdout.splitlines()[-1])[0]["state"] == "success", ran.stdout[-3000:]
    return workspace


def freeze_phantoms(workspace: Workspace) -> None:
    """Stages 1 to 3 in this process: here they are only the way to a dataset."""
    mix = {"normal": 0.4, "benign": 0.3, "malignant": 0.3}
    write_cohort(CohortSpec(images=120, class_mix=mix), workspace.landing)
    params = load_settings().params(TINY)
    batch = ingest.plan(workspace, params)
    ingest.ingest_shard(workspace, params, batch.batch_id, 0)
    ingest.merge(workspace, batch.batch_id)
    validate(workspace, params, batch.batch_id)
    freeze(workspace, params)


@pytest.fixture(scope="module")
def runs(workspace: Workspace) -> dict[str, Run]:
    client = MlflowClient(tracking_uri=workspace.tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


@pytest.fixture(scope="module")
def parent(runs: dict[str, Run]) -> Run:
    (top,) = [run for run in runs.values() if "mlflow.parentRunId" not in run.data.tags]
    return top


def test_one_parent_has_a_finished_child_for_each_experiment(
    runs: dict[str, Run], parent: Run
) -> None:
    children = {name: run for name, run in runs.items() if run is not parent}
    assert set(children) == EXPERIMENTS
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {
        parent.info.run_id
    }
    failed = [name for name, run in runs.items() if run.info.status != "FINISHED"]
    assert failed == ["scratch"]


def test_the_child_that_failed_says_why_and_bears_no_metrics(runs: dict[str, Run]) -> None:
    failed = runs["scratch"]
    assert failed.info.status == "FAILED"
    assert "failed: The loss became nan in epoch 1." in failed.data.tags[MLFLOW_RUN_NOTE]
    assert failed.data.metrics == {}


def test_the_comparison_lies_with_the_parent(workspace: Workspace, parent: Run) -> None:
    client = MlflowClient(tracking_uri=workspace.tracking_uri)
    files = {item.path for item in client.list_artifacts(parent.info.run_id, "comparison")}
    assert files == {f"comparison/experiments.{ending}" for ending in ("json", "md", "png")}


def test_each_child_bears_its_metrics_with_bounds_and_its_curves(
    workspace: Workspace, runs: dict[str, Run]
) -> None:
    (path,) = workspace.home.glob("runs/*/comparison/experiments.json")
    table = ExperimentTable.model_validate_json(path.read_bytes())
    assert [row.name for row in table.failed] == ["scratch"]
    for row in table.measured:
        metrics = runs[row.run].data.metrics
        prefix = "majority." if row.name == "majority" else ""
        for name, interval in row.metrics.intervals().items():
            assert metrics[f"{prefix}{name}"] == interval.estimate
            assert metrics[f"{prefix}{name}_lower"] == interval.lower
        assert metrics[f"{prefix}latency_ms"] == row.latency_ms
    for name in ("transfer", "augmentation", "ensemble"):
        assert "cnn.validation.log_loss" in runs[name].data.metrics
