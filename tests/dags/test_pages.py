"""The plugin's pages about batches, datasets and what monitoring saw."""

from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ml.data.results import BatchPlan
from ml.data.storage import write_bytes
from ml.settings import load_settings

BATCH = "0123456789abcdef"
REPORT = "20261116T060000-v3-0123abcd"


@pytest.fixture
def app(tmp_path, monkeypatch):
    from vigie_pages import router

    monkeypatch.setenv("VIGIE_HOME", str(tmp_path))
    app = FastAPI()
    app.include_router(router)
    return app


@pytest.fixture
def client(app):
    """Who is logged in."""
    from vigie_pages import logged_in

    app.dependency_overrides[logged_in] = lambda: None
    return TestClient(app)


@pytest.mark.parametrize(
    "path",
    [
        "/batches",
        f"/validation/{BATCH}",
        f"/dataset/{BATCH}",
        "/watch/trend.html",
        f"/watch/{REPORT}/summary.html",
        f"/watch/{REPORT}/report.html",
    ],
)
def test_nobody_sees_a_page_who_is_not_logged_in(app, path):
    answer = TestClient(app).get(path)
    assert answer.status_code == 401


def test_a_page_is_shown_as_it_was_written(client):
    folder = load_settings().workspace.validation_docs(BATCH)
    write_bytes(folder / "index.html", b"<h1>Batch</h1>")
    answer = client.get(f"/validation/{BATCH}")
    assert (answer.text, answer.headers["content-type"]) == (
        "<h1>Batch</h1>",
        "text/html; charset=utf-8",
    )
    assert client.get(f"/dataset/{BATCH}").status_code == 404


@pytest.mark.parametrize("name", ["..%2f..%2fsecrets", "index.html", "x" * 16])
def test_only_ids_are_looked_for(client, name):
    assert client.get(f"/validation/{name}").status_code in (404, 422)


def test_batches_are_listed_with_what_became_of_them(client):
    assert "No batch is held." in client.get("/batches").text
    plan = BatchPlan(
        batch_id=BATCH, images=7, shards=1, planned_at=datetime(2026, 5, 1, tzinfo=UTC)
    )
    folder = load_settings().workspace.batch(BATCH)
    write_bytes(folder / "plan.json", plan.model_dump_json().encode())
    page = client.get("/batches").text
    for told in (BATCH, "2026-05-01 00:00 UTC", "planned"):
        assert told in page


def test_the_trend_leads_to_each_summary_and_on_to_its_charts(client):
    folder = load_settings().workspace.drift_reports
    for name in ("trend.html", f"{REPORT}/summary.html", f"{REPORT}/report.html"):
        missing = client.get(f"/watch/{name}")
        assert (missing.status_code, "<h1>No page</h1>" in missing.text) == (404, True)
        write_bytes(folder / name, name.encode())
        assert client.get(f"/watch/{name}").text == name
    assert client.get("/watch").text == "trend.html"


def test_before_the_first_report_it_is_told_where_reports_come_from(client):
    assert "vigie_monitor" in client.get("/watch").text


def test_charts_run_their_scripts_as_nobody(client):
    page = load_settings().workspace.drift_reports / REPORT / "report.html"
    write_bytes(page, b"<script>1</script>")
    headers = client.get(f"/watch/{REPORT}/report.html").headers
    assert headers["content-security-policy"] == "sandbox allow-scripts"


@pytest.mark.parametrize("name", ["..", "trend", "20261116T060000-v3-0123abc%2f"])
def test_only_reports_are_looked_for(client, name):
    assert client.get(f"/watch/{name}/summary.html").status_code in (404, 422)
