"""What the server answers is what the evaluation measured."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pandas as pd
import pytest

from ml.data.image_store import ImageStore
from ml.journey.run import Run
from ml.store.database import open_database
from ml.store.predictions import read_predictions
from tests.e2e.conftest import Journey
from tests.e2e.serving import serving

pytestmark = pytest.mark.slow
LABELS = ("normal", "benign", "malignant")


@pytest.fixture(scope="module")
def server(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(journey, tmp_path_factory.mktemp("server") / "server.log") as url:
        yield url


@pytest.fixture(scope="module")
def offline(journey: Journey) -> pd.DataFrame:
    run = Run.open(journey.workspace, journey.summary["run_key"])
    return pd.read_parquet(run.evaluation / "predictions.parquet").set_index("image_id")


def test_every_test_image_is_answered_as_it_was_evaluated(
    server: str, journey: Journey, offline: pd.DataFrame
) -> None:
    store = ImageStore(journey.workspace.images)
    worst = 0.0
    for image_id, row in offline.iterrows():
        content = store.png(str(image_id))
        answer = httpx.post(f"{server}/predict", files={"file": ("image.png", content)}).json()
        assert answer["label"] == row["predicted"]
        assert answer["model"]["bundle"] == journey.summary["bundle_sha256"]
        served = [answer["probabilities"][label] for label in LABELS]
        expected = [row[f"p_{label}"] for label in LABELS]
        worst = max(worst, float(np.abs(np.subtract(served, expected)).max()))
    assert worst <= 1e-3


def test_answers_reach_the_database_and_the_drift_report(
    server: str, journey: Journey, offline: pd.DataFrame
) -> None:
    database = open_database(journey.workspace.database_url)
    since = datetime.now(UTC) - timedelta(hours=1)
    deadline = time.monotonic() + 30
    records = []
    while time.monotonic() < deadline and len(records) < len(offline):
        records = read_predictions(
            database, since=since, until=datetime.now(UTC) + timedelta(hours=1), limit=10_000
        )
        time.sleep(0.5)
    assert {record.image_id for record in records} >= set(offline.index)
    report = journey.vigie("--json", "drift", "--set", "profile=demo")
    assert report.returncode == 0, report.stderr
    (written,) = journey.workspace.drift_reports.glob("*/report.html")
    assert written.stat().st_size < 5 * 2**20
    decision = journey.vigie("--json", "retrain", "--set", "profile=demo")
    assert decision.returncode == 0, decision.stderr
