"""A scanner that nobody trained on: alarm, retraining, promotion, and whether that helped.

Through the real scheduler, server and registry; only the weeks pass faster.
"""

import io
import json
import logging
import os
import re
import socket
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from ml.journey.run import Run, database_of
from ml.journey.watched import watch_history
from ml.journey.workspace import Workspace
from ml.monitoring.results import WatchReport
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.stack.airflow_client import AirflowClient
from ml.stack.board import Board
from ml.stack.config import StackConfig
from ml.stack.follow import FinishedRun, follow
from ml.stack.lifecycle import down, up
from ml.stack.questions import wait_for_model
from ml.stack.welcome import login
from ml.store import ledger
from tests.e2e.conftest import SMALL, overrides, vigie
from tests.e2e.hospital import Production, deliver, draw, questions, write_params

pytestmark = pytest.mark.slow
log = logging.getLogger(__name__)
NO_PAPER = "evaluation.paper_members=[]"
COHORTS = {
    # name: images, seed, whether of the new scanner
    "trained on": (360, 1, False),
    "usual week": (160, 2, False),
    "shifted week, usual": (60, 3, False),
    "shifted week, new": (180, 4, True),
    "delivered, new": (360, 5, True),
    "week after, usual": (100, 6, False),
    "week after, new": (100, 7, True),
}


class Scheduler:
    """Airflow, as somebody uses it who presses buttons and waits."""

    def __init__(self, airflow: AirflowClient) -> None:
        self._airflow = airflow
        for dag_id in ("vigie_monitor", "vigie_train"):
            airflow.wait_until_parsed(dag_id, seconds=300)
            airflow.unpause(dag_id)

    def monitor(self) -> FinishedRun:
        run_id = f"week-{uuid.uuid4().hex[:8]}"
        self._airflow.trigger("vigie_monitor", run_id, {})
        return self._follow("vigie_monitor", run_id)

    def training_that_was_asked_for(self) -> FinishedRun:
        deadline = time.monotonic() + 180
        while True:
            asked = [
                run_id
                for run_id in self._airflow.runs("vigie_train")
                if run_id.startswith("asset_triggered")
            ]
            if asked:
                return self._follow("vigie_train", asked[0])
            assert time.monotonic() < deadline, "the retrain event started no training"
            time.sleep(0.5)

    def _follow(self, dag_id: str, run_id: str) -> FinishedRun:
        with Board(dag_id, Console(file=io.StringIO())) as board:
            return follow(self._airflow, dag_id, run_id, board, patience=900)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tell(name: str, report: WatchReport) -> None:
    """The figures of docs/monitoring.md, with `-o log_cli=true --log-cli-level=INFO`."""
    drift, measured = report.drift, report.performance.measured
    log.info(
        "%s: version %s, %s, %d of %d signals, %s",
        *(name, drift.model_version, drift.state, len(drift.moved), len(drift.signals)),
        measured.critical_sensitivity,
    )


# Some minutes on two cores; more beside other work.
@pytest.mark.timeout(3600)
def test_a_new_scanner_ends_in_a_model_that_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "var"
    params = load_params(PROJECT_ROOT / "params.toml", overrides=[*SMALL, NO_PAPER])
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    config = StackConfig(
        home=home, landing=home / "landing", store=home / "store", project=PROJECT_ROOT,
        airflow_port=free_port(), mlflow_port=free_port(), server_port=free_port(), parallelism=3,
    )  # fmt: skip

    with ProcessPoolExecutor(1) as painter:
        drawn = {
            name: painter.submit(draw, tmp_path / name, images, seed, new_scanner=new)
            for name, (images, seed, new) in COHORTS.items()
        }

        def cohort(name: str) -> Path:
            return drawn[name].result()

        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        first = vigie(
            environment | {"VIGIE_HOME": str(home)}, "--json", "run", str(cohort("trained on")),
            *overrides(), "--set", NO_PAPER, timeout=1500,
        )  # fmt: skip
        assert first.returncode == 0, first.stdout + first.stderr
        assert json.loads(first.stdout)["promoted"]
        # A run that nobody starts by hand takes its parameters from the file.
        monkeypatch.setenv("VIGIE_PARAMS_FILE", str(write_params(params, tmp_path / "params.toml")))
        monkeypatch.setenv("VIGIE_ENGINE", "onnxruntime")
        try:
            up(config, on_state=lambda part, state: None, patience=500)
            with AirflowClient(config.airflow_url, *login(config)) as airflow:
                scheduler = Scheduler(airflow)
                production = Production(config.server_url, workspace)
                wait_for_model(config.server_url, "1", seconds=200)

                production.answer_and_label(questions(cohort("usual week")))
                quiet = scheduler.monitor()
                production.a_week_passes()

                shifted = questions(cohort("shifted week, usual"), cohort("shifted week, new"))
                production.answer_and_label(shifted)
                dataset_id = deliver(workspace, params, cohort("delivered, new"))
                alarmed = scheduler.monitor()
                trained = scheduler.training_that_was_asked_for()

                wait_for_model(config.server_url, "2", seconds=200)
                after = questions(cohort("week after, usual"), cohort("week after, new"))
                production.answer_and_label(after)
                scheduler.monitor()
        finally:
            down(config)

    before, during, since = watch_history(workspace)
    for name, report in (("before", before), ("during", during), ("since", since)):
        tell(name, report)

    assert before.drift.state == "quiet"
    assert not quiet.succeeded("retrain")
    assert during.drift.state == "drifted"
    usually, while_drifted, restored = (
        report.performance.measured.critical_sensitivity for report in (before, during, since)
    )
    assert while_drifted.upper < min(0.75, usually.lower)
    assert alarmed.succeeded("retrain")

    run = Run.open(workspace, re.sub(r"[^A-Za-z0-9]+", "-", trained.run_id).strip("-"))
    assert run.info.dataset_id == dataset_id
    assert run.info.initialisation == "champion"
    assert run.info.report_ids == [during.drift.report_id]
    assert "windows drifted" in run.info.reason
    assert trained.succeeded("promote")
    line = ledger.about(database_of(workspace), "vigie/2")[-1]
    assert (line.action, line.evidence["trigger"]) == ("promote", run.info.trigger)

    assert since.drift.state == "quiet"
    assert restored.lower > 0.75
    assert since.since.verdict == "removed"
    assert (
        "Since version 2"
        in (workspace.drift_reports / since.drift.report_id / "summary.html").read_text()
    )
