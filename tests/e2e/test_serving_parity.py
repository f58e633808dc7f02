"""What the server answers is what the evaluation measured."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest

from ml.data.image_store import ImageStore
from ml.journey.run import Run
from ml.store.database import open_database
from ml.store.predictions import read_predictions
from tests.e2e.conftest import Journey

pytestmark = pytest.mark.slow
LABELS = ("normal", "benign", "malignant")


@pytest.fixture(scope="module")
def server(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = _free_port()
    log = tmp_path_factory.mktemp("server") / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ml.cli", "serve", "--port", str(port)],
            env=journey.environment | {"VIGIE_ENGINE": "onnxruntime"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        for child in [*children, psutil.Process(process.pid)]:
            child.terminate()
        psutil.wait_procs(children, timeout=20)
        process.wait(20)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise AssertionError(log.read_text())


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
        content = store.path(str(image_id)).read_bytes()
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
    folders = list(journey.workspace.drift_reports.iterdir())
    assert (folders[0] / "report.html").stat().st_size < 5 * 2**20
    decision = journey.vigie("--json", "retrain", "--set", "profile=demo")
    assert decision.returncode == 0, decision.stderr
