import time

import pytest

from ml.store.feedback import read_feedback
from tests.serving.images import png


@pytest.fixture
def request_id(client) -> str:
    return client.post("/predict", files={"file": png()}).json()["request_id"]


def feedback(request_id: str, **changes: object) -> dict[str, object]:
    return {"request_id": request_id, "label": "malignant", "author": "Dr. A", **changes}


def test_a_correction_reaches_the_database(client, request_id):
    answer = client.post("/feedback", json=feedback(request_id, comment="see the margin"))
    assert answer.status_code == 201
    deadline = time.monotonic() + 10
    while not (stored := read_feedback(client.app.state.server.database)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert stored[0].feedback_id == answer.json()["feedback_id"]
    assert (stored[0].request_id, stored[0].label) == (request_id, "malignant")
    assert (stored[0].author, stored[0].comment) == ("Dr. A", "see the margin")


def test_an_answer_is_known_before_and_after_it_was_shipped(client, request_id):
    outbox = client.app.state.server.outbox
    assert client.post("/feedback", json=feedback(request_id)).status_code == 201
    deadline = time.monotonic() + 10
    while outbox.depth():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert client.post("/feedback", json=feedback(request_id)).status_code == 201


def test_an_unknown_request_is_not_found(client):
    answer = client.post("/feedback", json=feedback("never-answered"))
    assert (answer.status_code, answer.json()["field"]) == (404, "request_id")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"label": "cyst"}, "label"),
        ({"author": ""}, "author"),
        ({"author": "x" * 201}, "author"),
        ({"comment": "x" * 2001}, "comment"),
        ({"patient": "Jane"}, "patient"),
    ],
)
def test_a_wrong_field_is_named(client, request_id, changes, field):
    answer = client.post("/feedback", json=feedback(request_id, **changes))
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_broken_json_is_a_problem(client):
    headers = {"Content-Type": "application/json"}
    assert client.post("/feedback", content=b"{", headers=headers).status_code == 422
