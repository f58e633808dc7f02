import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.decoding import decode
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.session import ModelSession
from tests.serving.images import BENIGN, MALIGNANT, NORMAL, png

SPEC = InputSpec(height=32, width=32, channels=1)


def tensor(*levels: int, **changes: object) -> dict[str, object]:
    grids = [to_input(to_grid(decode(png(level)).pixels, SPEC)) for level in levels]
    images = np.stack(grids)
    fields = {"name": "images", "shape": list(images.shape), "datatype": "FP32"}
    return {**fields, "data": images.ravel().tolist(), **changes}


def infer(client, *inputs, path="/v2/models/vigie/infer", **fields):
    return client.post(path, json={"inputs": list(inputs), **fields})


def test_a_batch_of_tensors_gets_the_same_answers_as_the_model_offline(shared_client, tiny_bundle):
    sent = tensor(NORMAL, BENIGN, MALIGNANT)
    body = infer(shared_client, sent, id="study-7").json()
    outputs = {output["name"]: output for output in body["outputs"]}
    images = np.array(sent["data"], np.float32).reshape(sent["shape"])
    expected = ModelSession.open(tiny_bundle).run(images).probabilities
    assert (body["model_name"], body["model_version"], body["id"]) == ("vigie", "tiny-1", "study-7")
    assert outputs["probabilities"]["shape"] == [3, 3]
    assert np.allclose(np.reshape(outputs["probabilities"]["data"], (3, 3)), expected)
    assert outputs["label"]["data"] == ["normal", "benign", "malignant"]
    assert outputs["label"]["datatype"] == "BYTES"


def test_nested_data_and_chosen_outputs_are_understood(shared_client):
    flat = tensor(MALIGNANT)
    nested = {**flat, "data": np.reshape(flat["data"], flat["shape"]).tolist()}
    body = infer(shared_client, nested, outputs=[{"name": "label"}]).json()
    assert [output["name"] for output in body["outputs"]] == ["label"]


def test_metadata_tell_what_to_send(shared_client):
    assert shared_client.get("/v2").json()["name"] == "vigie"
    model = shared_client.get("/v2/models/vigie").json()
    assert model["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 32, 32, 1]}]
    assert model["versions"] == ["tiny-1"]
    for path in ("/v2/models/vigie/ready", "/v2/models/vigie/versions/tiny-1/ready"):
        assert shared_client.get(path).json()["ready"] is True


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/vigie/versions/9"])
def test_another_model_or_version_is_not_found(shared_client, path):
    assert shared_client.get(path).status_code == 404
    assert shared_client.get(f"{path}/ready").status_code == 404
    answer = infer(shared_client, tensor(BENIGN), path=f"{path}/infer")
    assert answer.status_code == 404
    assert answer.json()["error"] == answer.json()["detail"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "pictures"},
        {"datatype": "UINT8"},
        {"shape": [1, 32, 32]},
        {"shape": [0, 32, 32, 1]},
        {"shape": [1000, 32, 32, 1]},
        {"shape": [1, 64, 16, 1]},
        {"shape": [1, 32, 31, 1]},
        {"data": ["x"] * 1024},
        {"data": [[1.0], [1.0, 2.0]]},
        {"data": [1.5] * 1024},
        {"data": [None] * 1024},
        {"surprise": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_wrong_tensor_is_refused_in_the_protocols_form(shared_client, changes):
    answer = infer(shared_client, tensor(BENIGN, **changes))
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_an_unknown_output_is_refused(shared_client):
    assert infer(shared_client, tensor(BENIGN), outputs=[{"name": "logits"}]).status_code == 422
