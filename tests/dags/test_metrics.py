"""The pipeline's numbers for Prometheus."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml.settings import load_settings


@pytest.fixture
def scrape(tmp_path, monkeypatch):
    from fastapi.testclient import TestClient
    from vigie_metrics import app

    monkeypatch.setenv("VIGIE_HOME", str(tmp_path))

    def run():
        answer = TestClient(app).get("/metrics")
        assert answer.status_code == 200
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return run


def test_an_empty_installation_counts_nothing(scrape):
    found = scrape()

    assert found[("vigie_datasets",)] == 0
    assert found[("vigie_quarantined_images",)] == 0
    assert not any(name.startswith("vigie_drift") for name, *_ in found)


def test_the_ledger_is_counted_by_action(scrape):
    from ml.journey.run import database_of
    from ml.store import ledger

    engine = database_of(load_settings().workspace)
    for _ in range(2):
        ledger.append(
            engine, actor="a", action="promote", subject="vigie/1", reason="r", evidence={}
        )

    assert scrape()[("vigie_ledger_entries_total", "promote")] == 2
