import base64
import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ml.contract.decoding import DecodeLimits, decode, image_id
from ml.contract.engine import ModelOutputs
from ml.contract.records import ModelIdentity, PredictionRecord
from ml.contract.session import ModelSession
from ml.store.predictions import read_predictions
from serving.answers import Answer
from serving.inference import examine_file
from serving.views import prediction_view
from tests.fakes.dicom_files import dicom_file
from tests.fakes.tiny_bundle import LABELS, POLICY, tiny_pixels, write_tiny_bundle
from tests.serving.images import BENIGN, MALIGNANT, NORMAL, dicom, encoded, png


def logged(client: TestClient, count: int) -> list[PredictionRecord]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        records = read_predictions(client.app.state.server.database)
        if len(records) >= count:
            return records
        time.sleep(0.02)
    raise AssertionError(f"{count} records were expected in the database")


@pytest.mark.parametrize(
    ("level", "label"), [(NORMAL, "normal"), (BENIGN, "benign"), (MALIGNANT, "malignant")]
)
def test_an_image_is_answered_with_label_probabilities_and_model(client, level, label):
    answer = client.post("/predict", files={"file": png(level)})
    assert answer.status_code == 200
    body = answer.json()
    assert body["label"] == label
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert body["model"] == {key: client.get("/model").json()[key] for key in body["model"]}
    assert body["image"] == {"width": 64, "height": 48}
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert set(body["timings_ms"]) == {"queue", "decode", "preprocess", "infer", "total"}
    assert "heat_map" not in body
    assert "prediction_set" not in body


def test_dicom_jpeg_and_colour_are_read_whatever_type_is_declared(client):
    pixels = decode(png(MALIGNANT)).pixels
    for data in (
        dicom(MALIGNANT),
        encoded(Image.fromarray(pixels), "JPEG", quality=95),
        encoded(Image.fromarray(pixels).convert("RGB")),
    ):
        answer = client.post("/predict", files={"file": ("x.txt", data, "text/plain")})
        assert (answer.status_code, answer.json()["label"]) == (200, "malignant")


def test_a_flat_image_is_referred_for_its_quality(client):
    flat = encoded(Image.new("L", (64, 64), 255))
    answer = client.post("/predict", files={"file": flat}).json()
    assert answer["decision"] == "refer"
    assert answer["reasons"] == ["image quality: contrast out of range"]


def test_a_model_that_promises_prediction_sets_answers_with_one(tmp_path):
    policy = POLICY.model_copy(
        update={"conformal_error": 0.1, "conformal_quantiles": dict.fromkeys(LABELS, 0.7)}
    )
    bundle = write_tiny_bundle(tmp_path / "bundle", policy=policy)
    session = ModelSession.open(bundle)
    for level, expected in ((NORMAL, ["normal"]), (MALIGNANT, ["malignant"])):
        finding = examine_file(png(level), session, DecodeLimits(), explain=False)
        identity = ModelIdentity(name="vigie", version="1", bundle="0" * 64)
        view = prediction_view(Answer("r", identity, finding, {"infer": 0.01}))
        assert view.prediction_set == expected


def test_the_heat_map_has_the_shape_of_the_image(client):
    answer = client.post("/predict?explain=true", files={"file": png(height=60, width=30)})
    head, data = answer.json()["heat_map"].split(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (30, 60)


def test_an_answer_is_in_the_database_with_its_measures_and_origin(client):
    data = png(MALIGNANT)
    form = {"site": "site-a", "scanner": "Logiq 9"}
    answer = client.post("/predict", files={"file": ("Jane Doe.png", data)}, data=form).json()
    (record,) = logged(client, 1)
    assert record.request_id == answer["request_id"]
    assert record.image_id == image_id(decode(data).pixels)
    assert (record.label, record.action, record.channel) == ("malignant", "report", "predict")
    assert record.probabilities == answer["probabilities"]
    assert (record.site, record.scanner) == ("site-a", "Logiq 9")
    assert len(record.embedding) == 4
    assert record.statistics.width == 64
    assert "Jane" not in record.model_dump_json()


def test_a_bad_file_spoils_no_other_file_of_its_batch(client):
    files = [("files", png(NORMAL)), ("files", b"no image"), ("files", png(MALIGNANT))]
    body = client.post("/batch_predict", files=files).json()
    first, second, third = body["results"]
    assert (first["result"]["label"], third["result"]["label"]) == ("normal", "malignant")
    assert second["index"] == 1
    assert second["problem"]["status"] == 415
    assert {item["result"]["model"]["version"] for item in (first, third)} == {
        body["model"]["version"]
    }
    assert {record.channel for record in logged(client, 2)} == {"batch_predict"}


class MistakenSession:
    """Answers black and white images as the model does; at a grey one its own code fails."""

    def __init__(self, session: ModelSession) -> None:
        self._session = session
        self.bundle = session.bundle

    def run(self, batch: np.ndarray) -> ModelOutputs:
        if abs(batch.mean()) < 0.5:
            raise ZeroDivisionError("division by zero")
        return self._session.run(batch)


def test_an_item_that_fails_by_our_mistake_is_in_log_and_metrics_by_its_request_id(client, caplog):
    slot = client.app.state.server.slot
    slot.swap(replace(slot.current, session=MistakenSession(slot.current.session)))
    images = {"Jane Doe.png": BENIGN, "John Roe.png": NORMAL}
    files = [("files", (name, png(level))) for name, level in images.items()]
    files.append(("files", ("Bad Boy.png", b"no image")))
    failed, answered, refused = client.post("/batch_predict", files=files).json()["results"]
    assert answered["result"]["label"] == "normal"
    problem = failed["problem"]
    assert problem["type"] == "urn:vigie:problem:internal"
    (told,) = [record for record in caplog.records if problem["request_id"] in record.getMessage()]
    assert told.exc_info is not None
    assert "ZeroDivisionError" in caplog.text
    assert refused["problem"]["request_id"] not in caplog.text
    assert not any(word in caplog.text for word in ("Jane", "John", "Bad Boy", "PNG"))
    metrics = client.get("/metrics").text
    assert 'vigie_problems_total{code="internal"} 1.0' in metrics
    assert 'vigie_problems_total{code="unsupported-image"} 1.0' in metrics


def test_a_batch_without_files_is_refused(client):
    assert client.post("/batch_predict").status_code == 422


def test_names_of_files_and_patients_stay_out_of_the_log(client, caplog):
    caplog.set_level("INFO")
    client.post("/predict", files={"file": ("Jane Doe.dcm", dicom())})
    client.post("/Jane-Doe")
    own = [record.getMessage() for record in caplog.records if record.name.startswith("serving")]
    line = next(text for text in own if "route=/predict" in text)
    assert "status=200" in line
    assert "version=tiny-1" in line
    assert not any(word in text for text in own for word in ("Jane", "Nobody", "secret-17"))


def test_nothing_between_server_and_client_keeps_an_answer(client):
    answer = client.post("/predict", files={"file": png()})
    assert answer.headers["Cache-Control"] == "no-store"


def test_of_several_frames_the_chosen_one_is_answered(start_app):
    files = {"file": dicom_file(tiny_pixels(NORMAL), tiny_pixels(MALIGNANT))}
    refused = start_app().post("/predict", files=files)
    assert (refused.status_code, refused.json()["title"]) == (415, "The file holds several frames")
    for policy, label in (("first", "normal"), ("middle", "malignant")):
        assert start_app(frames=policy).post("/predict", files=files).json()["label"] == label
