"""The whole local stack, started and stopped for real."""

import io
import os
import uuid

import httpx
import psutil
import pytest
from rich.console import Console

from ml.stack.airflow_client import AirflowClient
from ml.stack.board import Board
from ml.stack.environment import MARK_VARIABLE
from ml.stack.follow import follow
from ml.stack.lifecycle import down, status, up
from ml.stack.record import read_record
from ml.stack.welcome import login

pytestmark = pytest.mark.slow


def ignore(part, state):
    """Progress is of no interest here."""


def survivors(mark, sessions):
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions or process.environ().get(MARK_VARIABLE) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.timeout(300)
def test_the_stack_starts_runs_a_dag_and_stops_without_a_trace(config):
    try:
        record = up(config, on_state=ignore)
        assert status(config).is_healthy
        assert up(config, on_state=ignore) == read_record(config.run / "stack.json")
        assert httpx.get(f"{config.server_url}/health/live").is_success

        with AirflowClient(config.airflow_url, *login(config)) as airflow:
            run_an_empty_ingest(airflow)
    finally:
        down(config)

    sessions = {started.pid for started in record.processes}
    assert survivors(record.mark, sessions) == []
    assert not status(config).is_running
    assert down(config) == 0


def run_an_empty_ingest(airflow):
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with Board("ingest", Console(file=io.StringIO())) as board:
        airflow.wait_until_parsed("vigie_ingest", seconds=90)
        airflow.unpause("vigie_ingest")
        airflow.trigger("vigie_ingest", run_id, {})
        run = follow(airflow, "vigie_ingest", run_id, board, patience=120)

    assert run.state == "success"
    assert {task.state for task in run.tasks} == {"skipped"}
