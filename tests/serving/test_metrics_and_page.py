import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.errors import LogUnavailable, TooManyRequests
from serving.metrics import ServerMetrics
from serving.outcome import BUDGETED_ROUTES, OUTCOMES, outcome_of
from serving.page import FOLDER
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import png


def test_metrics_count_answers_problems_and_stages(client):
    client.post("/predict", files={"file": png(255)})
    client.post("/predict", files={"file": b"text"})
    text = client.get("/metrics").text
    for line in (
        'vigie_answers_total{action="report",channel="predict",label="malignant",'
        'role="production",version="tiny-1"} 1.0',
        'vigie_requests_total{outcome="answered",route="/predict",status="200"} 1.0',
        'vigie_requests_total{outcome="rejected",route="/predict",status="415"} 1.0',
        'vigie_problems_total{code="unsupported-image"} 1.0',
        'vigie_stage_seconds_count{stage="infer"} 1.0',
        "vigie_images_pending 0.0",
    ):
        assert line in text
    assert re.search(r'vigie_model_info\{bundle="[0-9a-f]{64}",name="vigie"', text)


def values(client, name):
    """Sample name and labels → value, of all samples whose name begins so."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith(name)
    }


def test_every_route_of_the_objective_counts_from_zero(client):
    routes = {route.path for route in client.app.routes}
    found = values(client, "vigie_requests_total")
    for route in BUDGETED_ROUTES:
        assert route in routes
        for outcome, status in OUTCOMES.items():
            if status is not None:
                labels = sorted((outcome, route, str(status.value)))
                assert found[("vigie_requests_total", *labels)] == 0


def test_a_full_queue_is_told_apart_from_a_key_used_too_often(start_app, tmp_path):
    slow = write_tiny_bundle(tmp_path / "slow", work=300, reference_images=1)
    client = start_app(slow, workers=1, queue_limit=0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.post("/predict", files={"file": png()}), range(8)))
    found = values(client, "vigie_requests_total")
    assert found[("vigie_requests_total", "/predict", "429", "overloaded")] > 0
    assert outcome_of(429, TooManyRequests.code) == "rejected"


def test_a_slow_upload_is_not_the_servers_time(client):
    def chunks():
        yield from ()
        time.sleep(0.3)
        yield b"no form"

    client.post("/predict", content=chunks(), headers={"Content-Type": "text/plain"})
    family = "vigie_request_duration_seconds"
    assert values(client, family)[(f"{family}_count", "/predict")] == 1
    assert values(client, family)[(f"{family}_sum", "/predict")] < 0.3


def test_the_log_tells_how_far_it_is_behind(start_app):
    client = start_app(database_url="postgresql://nobody@127.0.0.1:1/none")
    client.post("/predict", files={"file": png()})
    found = values(client, "vigie_outbox")
    assert found[("vigie_outbox_rows",)] == 1
    assert 0 < found[("vigie_outbox_oldest_age_seconds",)] < 60
    assert found[("vigie_outbox_set_aside_rows",)] == 0


def test_metrics_are_there_when_the_outbox_cannot_be_read(client):
    class BrokenOutbox:
        def __getattr__(self, name):
            raise LogUnavailable("The disk is gone.")

    metrics = ServerMetrics()
    metrics.watch("rows", "Rows.", lambda: BrokenOutbox().depth)
    assert b"rows NaN" in metrics.render()


def test_feedback_disk_source_and_limit_are_told(client):
    answered = client.post("/predict", files={"file": png()}).json()
    body = {"request_id": answered["request_id"], "label": "benign", "author": "dr"}
    assert client.post("/feedback", json=body).status_code == 201
    found = values(client, "vigie_")
    assert found[("vigie_feedback_total", "benign")] == 1
    assert 0 < found[("vigie_home_free_bytes",)] < found[("vigie_home_size_bytes",)]
    now = time.time()
    assert now - found[("vigie_source_last_answer_timestamp_seconds", "production")] < 60
    assert now - found[("vigie_model_loaded_timestamp_seconds", "production")] < 60
    assert found[("vigie_model_rejected", "production")] == 0
    assert found[("vigie_images_pending_limit",)] == 2 + 64


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_names_and_units_are_as_prometheus_wants_them(client):
    client.post("/predict", files={"file": png()})
    text = client.get("/metrics").text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_metrics_tell_which_engine_answers_and_what_was_seen_of_it(start_app):
    text = start_app(engine="onnxruntime").get("/metrics").text
    assert 'vigie_engine_chosen{engine="onnxruntime"} 1.0' in text
    assert 'vigie_engine_difference{engine="onnxruntime"} 0.0' in text


def test_answers_of_one_member_alone_are_counted(start_app, tmp_path):
    adaptive = write_tiny_bundle(tmp_path / "adaptive", alone_up_to=0.0)
    client = start_app(bundle=adaptive)
    for level in (0, 10, 250):
        client.post("/predict", files={"file": png(level)})
    told = client.get("/model").json()["adaptive"]
    assert (told["first"], told["confidence"]) == ("formula", 0.9)
    text = client.get("/metrics").text
    assert 'vigie_stopped_early_total{role="production",version="tiny-1"} 2.0' in text


def test_two_applications_share_no_metrics(start_app, tmp_path):
    first, second = start_app(), start_app(home=tmp_path / "other")
    first.post("/predict", files={"file": png()})
    counted = ("vigie_requests_total", "/predict", "200", "answered")
    assert values(first, "vigie_requests_total")[counted] == 1
    assert values(second, "vigie_requests_total")[counted] == 0


@pytest.mark.skipif(not (FOLDER / "index.html").is_file(), reason="the page is not built")
def test_the_page_lets_nothing_in_from_outside(client):
    for path in ("/", "/static/app.js", "/static/base.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_files_outside_the_page_are_not_served(client):
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/"):
        assert client.get(path).status_code == 404
