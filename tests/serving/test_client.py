import io
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.client import Client
from serving.client_errors import (
    AnswerInvalid,
    NoAnswer,
    RequestRefused,
    ServerBusy,
    ServerFailed,
)
from serving.schemas import BatchView, ModelView, PredictionView, Problem
from tests.fakes.scripted_server import Reply, scripted
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import MALIGNANT, NORMAL, dicom, png
from tests.serving.server_process import ServerProcess

PREDICTION = PredictionView.model_json_schema()["examples"][0]
MODEL = ModelView.model_json_schema()["examples"][0]
PROBLEM = Problem.model_json_schema()["examples"][0]


def busy(seconds: float | str, status: int = 429) -> Reply:
    return Reply(status, PROBLEM | {"status": status}, {"Retry-After": str(seconds)})


@pytest.fixture(scope="module")
def vigie(tmp_path_factory, tiny_bundle):
    home = tmp_path_factory.mktemp("home")
    with ServerProcess(home, "--bundle", str(tiny_bundle)) as server:
        server.wait_until_ready()
        with Client(server.url) as client:
            yield client


def test_an_image_is_answered_from_bytes_path_or_file(vigie, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(MALIGNANT))
    for image in (png(MALIGNANT), path, str(path), io.BytesIO(png(MALIGNANT)), dicom(MALIGNANT)):
        answer = vigie.predict(image, site="site-a", scanner="Logiq 9")
        assert (answer.label, answer.decision, answer.reasons) == ("malignant", "report", [])
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.heat_map is None


def test_what_is_said_of_the_images_is_sent_with_them():
    said = {"site": "site-a", "scanner": "Logiq 9", "study": "17"}
    batch = BatchView.model_json_schema()["examples"][0]
    replies = Reply(200, PREDICTION), Reply(200, batch)
    with scripted(*replies) as server, Client(server.url) as vigie:
        vigie.predict(png(), **said)
        vigie.predict_batch([png()], **said)
    for body in server.bodies:
        for name, value in said.items():
            assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body


def test_an_image_that_must_not_be_kept_is_sent_as_such():
    with scripted(Reply(200, PREDICTION)) as server, Client(server.url) as vigie:
        vigie.predict(png())
        vigie.predict(png(), review=False)
    first, second = server.bodies
    assert b'name="review"' not in first
    assert b'name="review"\r\n\r\nfalse\r\n' in second


def test_the_heat_map_comes_when_it_is_asked_for(vigie):
    assert vigie.predict(png(), explain=True).heat_map.startswith("data:image/png;base64,")


def test_a_batch_has_a_result_or_a_problem_for_each_image(vigie):
    batch = vigie.predict_batch([png(NORMAL), b"no image", png(MALIGNANT)], site="site-a")
    first, second, third = batch.results
    assert (first.result.label, third.result.label) == ("normal", "malignant")
    assert second.problem.status == 415
    assert batch.model == first.result.model


def test_feedback_is_kept_under_the_id_of_the_answer(vigie):
    answer = vigie.predict(png(MALIGNANT))
    kept = vigie.feedback(answer.request_id, label="benign", author="Dr. Amal")
    assert kept.request_id == answer.request_id


def test_the_model_and_readiness_are_told(vigie):
    assert vigie.model().labels == ["normal", "benign", "malignant"]
    assert vigie.ready().status == "ready"


def test_a_server_without_a_model_is_not_ready_and_says_why(tmp_path):
    with ServerProcess(tmp_path) as server, Client(server.url, retries=0) as vigie:
        health = vigie.ready()
        with pytest.raises(ServerBusy, match="No model is loaded"):
            vigie.predict(png())
    assert (health.status, health.reasons) == ("not ready", ["No model is loaded."])


def test_a_refused_request_says_what_is_wrong_and_what_to_do(vigie):
    with pytest.raises(RequestRefused) as caught:
        vigie.predict(b"Dear colleague")
    refused = caught.value
    assert (refused.status, refused.title) == (415, "The type is not supported")
    assert refused.remedy == "Send one of these four types."
    assert refused.problem.type == "urn:vigie:problem:unsupported-image"
    assert refused.details["request_id"]
    with pytest.raises(RequestRefused, match="No image was answered"):
        vigie.feedback("unknown", label="benign", author="Dr. Amal")


def test_a_crowd_at_a_busy_server_is_answered_by_and_by(tmp_path):
    slow = write_tiny_bundle(tmp_path / "bundle", work=400)
    limits = {"VIGIE_WORKERS": "1", "VIGIE_QUEUE_LIMIT": "0"}
    with ServerProcess(tmp_path / "home", "--bundle", str(slow), environment=limits) as server:
        server.wait_until_ready()
        with Client(server.url, retries=0) as hasty, ThreadPoolExecutor(4) as crowd:
            tries = list(crowd.map(lambda _: _outcome(hasty), range(12)))
        with Client(server.url, retries=20) as patient, ThreadPoolExecutor(4) as crowd:
            answers = list(crowd.map(lambda _: _outcome(patient), range(8)))
    assert any(isinstance(outcome, ServerBusy) for outcome in tries)
    assert {getattr(outcome, "label", outcome) for outcome in answers} == {"benign"}


def _outcome(client: Client) -> PredictionView | ServerBusy:
    try:
        return client.predict(png())
    except ServerBusy as error:
        return error


@pytest.mark.parametrize("status", [429, 503])
def test_an_image_is_sent_again_whole_after_the_time_the_server_names(status):
    with scripted(busy(1, status), Reply(200, PREDICTION)) as server, Client(server.url) as vigie:
        started = time.monotonic()
        assert vigie.predict(png(), site="site-a").label == PREDICTION["label"]
        assert time.monotonic() - started >= 1
    first, second = server.bodies
    assert png() in first
    assert png() in second


def test_the_error_after_the_last_try_says_when_to_come_back():
    with (
        scripted(busy(0)) as server,
        Client(server.url, retries=2) as vigie,
        pytest.raises(ServerBusy) as caught,
    ):
        vigie.predict(png())
    assert len(server.bodies) == 3
    assert (caught.value.status, caught.value.retry_after) == (429, 0)


def test_a_server_that_asks_for_too_much_patience_is_not_asked_again():
    with scripted(busy(3600, 503)) as server, Client(server.url, patience=1) as vigie:
        started = time.monotonic()
        with pytest.raises(ServerBusy, match=PROBLEM["title"]) as caught:
            vigie.predict(png())
        assert time.monotonic() - started < 1
        assert caught.value.retry_after == 3600
        assert len(server.bodies) == 1


def test_an_image_whose_answer_was_lost_is_not_sent_again():
    with (
        scripted(Reply(None)) as server,
        Client(server.url) as vigie,
        pytest.raises(NoAnswer, match="RemoteProtocolError"),
    ):
        vigie.predict(png())
    assert len(server.bodies) == 1


@pytest.mark.parametrize("failure", [Reply(None), Reply(502, b"<html>"), Reply(504, b"")])
def test_a_question_whose_answer_was_lost_is_asked_again(failure):
    with scripted(failure, Reply(200, MODEL)) as server, Client(server.url) as vigie:
        assert vigie.model().version == MODEL["version"]
    assert len(server.bodies) == 2


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_failed_server_is_not_sent_the_image_again(status):
    with (
        scripted(Reply(status, b"<html>")) as server,
        Client(server.url) as vigie,
        pytest.raises(ServerFailed) as caught,
    ):
        vigie.predict(png())
    assert caught.value.status == status
    assert len(server.bodies) == 1


def test_no_server_at_all_is_no_answer():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url, retries=1) as vigie, pytest.raises(NoAnswer, match="ConnectError"):
            vigie.predict(png())


def test_a_server_that_takes_too_long_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout=0.2, retries=0) as vigie, pytest.raises(NoAnswer, match="Timeout"):
            vigie.model()


@pytest.mark.parametrize("content", [b"<html>hello</html>", {"label": "benign"}])
def test_an_answer_of_another_form_is_named_as_such(content):
    with (
        scripted(Reply(200, content)) as server,
        Client(server.url) as vigie,
        pytest.raises(AnswerInvalid, match="PredictionView"),
    ):
        vigie.predict(png())


def test_what_a_newer_server_says_besides_is_left_aside():
    newer = PREDICTION | {"weather": "fine", "model": PREDICTION["model"] | {"mood": "good"}}
    with scripted(Reply(200, newer)) as server, Client(server.url) as vigie:
        assert vigie.predict(png()).model.version == PREDICTION["model"]["version"]


def test_the_name_of_a_file_is_not_sent(tmp_path):
    image = tmp_path / "Jane Doe.png"
    image.write_bytes(png())
    with scripted(Reply(200, PREDICTION)) as server, Client(server.url) as vigie:
        vigie.predict(image)
    assert b"Jane" not in server.bodies[0]


def test_a_path_and_headers_for_what_stands_in_front_are_sent():
    with scripted(Reply(200, MODEL)) as server:
        front = {"Authorization": "Bearer x"}
        with Client(f"{server.url}/vigie/", headers=front) as vigie:
            vigie.model()
    (request,) = server.requests
    assert request == ("/vigie/model", "Bearer x")


def test_the_client_imports_nothing_of_the_server():
    listing = "import sys, serving.client; print(*sys.modules)"
    root = Path(__file__).parents[2]
    modules = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True, cwd=root
    ).stdout.split()
    heavy = {"fastapi", "starlette", "uvicorn", "mlflow", "onnxruntime", "prometheus_client",
             "sqlalchemy", "pydicom"}  # fmt: skip
    assert heavy.isdisjoint(modules)
    assert {name for name in modules if name.startswith("serving.")} == {
        *("serving.client", "serving.client_errors", "serving.client_retries", "serving.schemas")
    }
