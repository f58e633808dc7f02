import re

import pytest

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
        'vigie_requests_total{route="/predict",status="415"} 1.0',
        'vigie_problems_total{code="unsupported-image"} 1.0',
        'vigie_stage_seconds_count{stage="infer"} 1.0',
        "vigie_images_pending 0.0",
    ):
        assert line in text
    assert re.search(r'vigie_model_info\{bundle="[0-9a-f]{64}",name="vigie"', text)
    assert "vigie_outbox_rows" in text


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
    assert 'route="/predict"' not in second.get("/metrics").text


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
