import pytest
from starlette.testclient import TestClient

from ml.contract.bundle import bundle_sha256
from ml.contract.errors import Unavailable
from serving.app import create_app
from serving.settings import Settings
from serving.sources import FolderSource
from tests.serving.images import png


class SilentSource:
    """A source that does not answer."""

    def look(self):
        raise Unavailable("The registry does not answer.")

    def last_good(self):
        return None


class EmptySource:
    """A source of a fresh installation: it answers, and names no model."""

    def look(self):
        return None

    def last_good(self):
        return None


def test_the_model_says_who_it_is(client, tiny_bundle):
    model = client.get("/model").json()
    assert model["name"] == "vigie"
    assert model["version"] == "tiny-1"
    assert model["bundle"] == bundle_sha256(tiny_bundle)
    assert model["alias"] is None
    assert model["labels"] == ["normal", "benign", "malignant"]
    assert model["input"] == {"height": 32, "width": 32, "channels": 1}
    tried = {trial["engine"]: trial["refused"] for trial in model["engines"]}
    assert tried[model["engine"].split()[0]] is None
    assert "onnxruntime" in tried


def test_a_server_with_a_model_is_live_and_ready(client):
    assert client.get("/health/live").json()["status"] == "live"
    assert client.get("/health/ready").json() == {"status": "ready", "reasons": []}
    assert client.get("/v2/health/ready").json() == {"ready": True}


def test_the_first_request_finds_the_model_that_the_source_names(tmp_path, tiny_bundle):
    app = create_app(Settings(home=tmp_path), FolderSource(tiny_bundle))
    with TestClient(app) as client:
        assert client.get("/health/ready").status_code == 200


@pytest.mark.parametrize("source", [SilentSource(), EmptySource()], ids=["silent", "empty"])
def test_a_server_without_a_model_lives_but_is_not_ready_and_says_so(tmp_path, source):
    app = create_app(Settings(home=tmp_path, poll_seconds=0.05), source)
    with TestClient(app) as client:
        assert client.get("/health/live").status_code == 200
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["No model is loaded."])
        assert client.get("/v2/health/ready").status_code == 503
        for answer in (client.get("/model"), client.post("/predict", files={"file": png()})):
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:vigie:problem:no-model"
            assert answer.headers["Retry-After"]


def test_openapi_describes_the_api_and_its_problems(client):
    document = client.get("/openapi.json").json()
    predict = document["paths"]["/predict"]["post"]
    assert {"400", "413", "415", "422", "429", "503"} <= set(predict["responses"])
    assert "application/problem+json" in predict["responses"]["429"]["content"]
    assert {"/batch_predict", "/feedback", "/model", "/v2/models/{name}/infer"} <= set(
        document["paths"]
    )
