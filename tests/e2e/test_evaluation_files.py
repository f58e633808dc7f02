"""What a journey leaves to look at, on disk and in MLflow."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ml.journey.run import Run, tracker_of
from ml.registry.tracking import Tracker
from tests.e2e.conftest import Journey

pytestmark = pytest.mark.slow

LOGGED = {
    "evaluation.html", "evaluation.md", "evidence.json", "predictions.parquet",
    "model_card.md", "dataset_card.md",
    "confusion.png", "roc.png", "precision_recall.png", "reliability.png",
    "critical_probability.png", "selective_risk.png", "slices.png", "learning_curves.png",
}  # fmt: skip
PAGES = ("evaluation.html", "model_card.html", "local/examples.html", "local/activation.html")


@pytest.fixture(scope="module")
def run(journey: Journey) -> Run:
    return Run.open(journey.workspace, journey.summary["run_key"])


@pytest.fixture(scope="module")
def tracker(journey: Journey) -> Tracker:
    return tracker_of(journey.workspace)


def artifacts(tracker: Tracker, run_id: str, folder: str = "") -> set[str]:
    found = set()
    for item in tracker.client.list_artifacts(run_id, folder):
        found |= artifacts(tracker, run_id, item.path) if item.is_dir else {item.path}
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_from_elsewhere(page: str, run: Run) -> None:
    text = (run.evaluation / page).read_text()
    assert "Content-Security-Policy" in text
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert {source.split(",")[0] for source in sources} == {"data:image/png;base64"}
    assert not re.search(r"https?://|<script|url\(|@import", text)


def test_all_that_was_evaluated_is_logged_and_no_page_with_pixels(
    run: Run, tracker: Tracker
) -> None:
    logged = artifacts(tracker, run.info.mlflow_run_id)
    assert {f"evaluation/{name}" for name in LOGGED} <= logged
    assert "model_card.html" in logged
    local = {path.name for path in run.local_evaluation.iterdir()}
    assert local == {"examples.html", "activation.html"}
    assert not {path for path in logged if "local" in path or Path(path).name in local}
    assert not {path for path in logged if path.endswith((".jpg", ".dcm", ".npy"))}


def test_the_folder_with_pixels_is_open_to_its_owner_alone(run: Run) -> None:
    assert run.local_evaluation.stat().st_mode & 0o777 == 0o700


def test_the_run_and_the_version_tell_what_came_of_it(
    journey: Journey, run: Run, tracker: Tracker
) -> None:
    note = tracker.client.get_run(run.info.mlflow_run_id).data.tags["mlflow.note.content"]
    version = tracker.client.get_model_version("vigie", journey.summary["version"])
    assert version.description == note
    accuracy = journey.summary["metrics"]["accuracy"][0]
    assert f"| accuracy | {accuracy:.3f} (" in note
    assert ("No gate refuses." in note) == journey.summary["promoted"]
    assert "Not for clinical use" in note


def test_the_card_of_the_version_holds_the_gates_and_the_sealed_one_does_not(
    journey: Journey, run: Run
) -> None:
    card = (run.evaluation / "model_card.md").read_text()
    assert card.startswith(f"# Model card: vigie version {journey.summary['version']}\n")
    for title in ("Summary", "Intended use", "Data", "Test", "Gates", "Limits", "To repeat it"):
        assert f"\n## {title}\n" in card
    assert journey.summary["bundle_sha256"] in card
    assert "## Gates" not in (run.bundle / "model_card.md").read_text()


def test_every_test_image_stands_among_the_predictions_with_its_answer(run: Run) -> None:
    rows = pd.read_parquet(run.evaluation / "predictions.parquet")
    assert {"image_id", "predicted", "probability", "action", "reasons"} <= set(rows.columns)
    assert (rows["reasons"].eq("") == rows["action"].eq("report")).all()
    probabilities = rows[[f"p_{label}" for label in run.params.data.labels]]
    assert probabilities.sum(axis=1).between(0.999, 1.001).all()
