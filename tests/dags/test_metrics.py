"""The pipeline's numbers for Prometheus."""

import shutil
import subprocess
import time
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml.contract.api_keys import SCOPES, KeyRing, issue, write_keys
from ml.settings import load_settings
from tests.fakes.airflow_history import write_history, written_at

READ = "vigie_pipeline_read_success"


@pytest.fixture(scope="module", autouse=True)
def history():
    write_history()


@pytest.fixture
def client(tmp_path, monkeypatch):
    from fastapi.testclient import TestClient
    from vigie_metrics import app

    monkeypatch.setenv("VIGIE_HOME", str(tmp_path))
    (tmp_path / "landing").mkdir()
    return TestClient(app)


@pytest.fixture
def scrape(client):
    def run():
        answer = client.get("/metrics")
        assert answer.status_code == 200
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return run


def scraped(scrape, name):
    """A scrape in which every source was read: the first one imports the project."""
    deadline = time.monotonic() + 60
    while name not in (found := scrape()):
        assert time.monotonic() < deadline, found
    return found


def test_an_empty_installation_counts_nothing(scrape):
    found = scraped(scrape, ("vigie_batches", "committed"))

    assert found[("vigie_datasets",)] == 0
    assert found[("vigie_batches", "committed")] == 0
    assert not any(name.startswith("vigie_drift") for name, *_ in found)


def test_every_source_is_read(scrape):
    found = scraped(scrape, ("vigie_pipeline_read_success", "batches"))

    sources = {key[1]: value for key, value in found.items() if key[0] == READ}
    assert set(sources.values()) == {1}
    assert {"airflow", "ledger", "landing", "monitor"} <= set(sources)


def test_runs_and_tasks_are_told_from_airflows_database(scrape):
    found = scraped(scrape, ("vigie_tasks", "running"))

    assert found[("vigie_dag_last_run_failed", "vigie_train")] == 1
    assert found[("vigie_dag_last_run_failed", "vigie_ingest")] == 0
    assert found[("vigie_dag_last_run_duration_seconds", "vigie_ingest", "success")] == 120
    # Those of thirty hours ago are of another day.
    assert found[("vigie_dag_runs_last_day", "vigie_train", "failed")] == 1
    assert found[("vigie_task_failures_last_day", "vigie_train")] == 1
    assert found[("vigie_task_retries_last_day", "vigie_train")] == 2
    age = found[("vigie_dag_run_oldest_age_seconds", "vigie_ingest", "queued")]
    since_then = (datetime.now(UTC) - written_at()).total_seconds()
    assert 100 < age - since_then < 140
    assert found[("vigie_tasks", "awaiting_input")] == 1
    waiting = found[("vigie_task_oldest_age_seconds", "awaiting_input")]
    assert 5380 < waiting - since_then < 5420
    assert found[("vigie_dag_paused", "vigie_rollback")] == 1
    heartbeat = found[("vigie_airflow_heartbeat_timestamp_seconds", "airflow-triggerer")]
    assert time.time() - heartbeat - since_then == pytest.approx(0, abs=20)
    last = found[("vigie_dag_last_run_timestamp_seconds", "vigie_monitor", "success")]
    assert time.time() - last - since_then == pytest.approx(3 * 3600 - 120, abs=20)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_names_and_units_are_as_prometheus_wants_them(client, scrape):
    scraped(scrape, ("vigie_pipeline_read_success", "batches"))
    text = client.get("/metrics").text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_ledger_is_counted_by_action(scrape):
    from ml.journey.run import database_of
    from ml.store import ledger

    engine = database_of(load_settings().workspace)
    for _ in range(2):
        ledger.append(
            engine, actor="a", action="promote", subject="vigie/1", reason="r", evidence={}
        )

    promoted = ("vigie_ledger_entries_total", "promote")
    assert scraped(scrape, promoted)[promoted] == 2


def test_with_keys_only_one_for_metrics_may_scrape(tmp_path, monkeypatch):
    import vigie_metrics
    from fastapi.testclient import TestClient

    monkeypatch.setenv("VIGIE_HOME", str(tmp_path))
    client = TestClient(vigie_metrics.app)
    assert client.get("/metrics").status_code == 200
    now = datetime.now(UTC)
    keys = {scope: issue(scope, [scope], now=now) for scope in SCOPES}
    ring = KeyRing(kept for _, kept in keys.values())
    write_keys(tmp_path / "secrets" / "api-keys.json", ring)
    for scope, (key, _) in keys.items():
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code == 200) == (scope in ("metrics", "admin")), scope
    for header in ("", "Bearer", "Bearer x", f"Basic {keys['metrics'][0]}"):
        refused = client.get("/metrics", headers={"Authorization": header})
        assert refused.status_code == 401
        assert "vigie_" not in refused.text
