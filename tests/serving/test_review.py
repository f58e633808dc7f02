"""/v1/review: what a person is shown, says, takes back; and what nobody else is told."""

import io
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from PIL import Image

from ml.contract.api_keys import KeyRing, issue, write_keys
from ml.contract.decoding import decode, image_id
from ml.contract.records import ReviewItem
from ml.store.feedback import read_feedback
from ml.store.review_images import read_kept
from ml.store.review_queue import queue_id, read_queue, replace_unseen
from tests.serving.images import NORMAL, png

Start = Callable[..., SimpleNamespace]
AMAL, NOUR, WARD = "Dr. Amal", "Dr. Nour", "ward"


def items_of(database: object) -> list[ReviewItem]:
    return [
        ReviewItem(
            review_id=queue_id(image.image_id),
            image_id=image.image_id,
            kind="low_confidence",
            evidence={
                "request_id": image.request_id,
                "day": "2026-03-01",
                "answer": "benign",
                "action": "refer",
                "reasons": ["low confidence"],
                "probabilities": {"normal": 0.3, "benign": 0.4, "malignant": 0.3},
                "model_version": "tiny-1",
            },
            since=datetime.now(UTC),
        )
        for image in read_kept(database)
    ]


@pytest.fixture
def start(start_app, tmp_path) -> Start:
    """A server that waits for labels of two images, and three who have keys."""

    def begin(**settings: object) -> SimpleNamespace:
        scopes = {AMAL: ["review"], NOUR: ["review"], WARD: ["predict", "feedback"]}
        made = {name: issue(name, held, now=datetime.now(UTC)) for name, held in scopes.items()}
        path = tmp_path / "keys.json"
        write_keys(path, KeyRing(kept for _, kept in made.values()))
        client = start_app(api_keys_file=path, **settings)
        database = client.app.state.server.database
        keys = {name: {"X-API-Key": key} for name, (key, _) in made.items()}
        deadline = time.monotonic() + 10
        for seed in range(2):
            client.post("/predict", files={"file": png(NORMAL, seed=seed)}, headers=keys[WARD])
            while len(read_kept(database)) <= seed:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        replace_unseen(database, withdrawn=[], added=items_of(database))

        def ask(person: str, path: str, **body: object):
            return client.post(f"/v1/review/{path}", json=body or None, headers=keys[person])

        return SimpleNamespace(client=client, database=database, keys=keys, ask=ask)

    return begin


@pytest.fixture
def server(start: Start) -> SimpleNamespace:
    return start()


def test_a_turn_tells_nothing_of_the_models_answer(server):
    turn = server.ask(AMAL, "next").json()
    assert turn["review_id"] in {item.review_id for item in read_queue(server.database)}
    assert set(turn) == {"review_id", "labels", "waiting", "labelled", "blinded"}
    assert (turn["waiting"], turn["labelled"], turn["blinded"]) == (2, 0, True)


def test_the_image_is_pixels_that_nothing_keeps(server):
    turn = server.ask(AMAL, "next").json()
    path = f"/v1/review/{turn['review_id']}/image"
    answer = server.client.get(path, headers=server.keys[AMAL])
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    (item,) = [i for i in read_queue(server.database) if i.review_id == turn["review_id"]]
    assert image_id(decode(answer.content).pixels) == item.image_id
    assert Image.open(io.BytesIO(answer.content)).info == {}
    assert server.client.get(path, headers=server.keys[NOUR]).status_code == 404


def test_a_label_has_the_name_of_its_key_as_author(server):
    turn = server.ask(AMAL, "next").json()
    answer = server.ask(AMAL, f"{turn['review_id']}/label", label="malignant", comment="spiculae")
    assert answer.status_code == 201
    assert (answer.json()["author"], answer.json()["blinded"]) == (AMAL, True)
    (feedback,) = read_feedback(server.database)
    assert (feedback.author, feedback.label, feedback.comment) == (AMAL, "malignant", "spiculae")
    assert (feedback.source, feedback.blinded) == ("review", True)
    assert server.ask(AMAL, "next").json()["labelled"] == 1


def test_the_answer_is_hidden_until_the_person_has_answered(server):
    identity = server.ask(AMAL, "next").json()["review_id"]
    early = server.ask(AMAL, f"{identity}/reveal")
    assert (early.status_code, early.json()["type"]) == (409, "urn:vigie:problem:answer-hidden")
    server.ask(AMAL, f"{identity}/label", label="normal")
    shown = server.ask(AMAL, f"{identity}/reveal").json()
    assert (shown["label"], shown["reason"]) == ("benign", "low_confidence")
    assert server.ask(NOUR, f"{identity}/reveal").status_code == 404
    assert server.ask(AMAL, f"{identity}/undo").status_code == 204
    again = server.ask(AMAL, f"{identity}/label", label="benign")
    assert again.json()["blinded"] is False


def test_a_server_may_show_it_before_and_says_so_of_the_label(start):
    server = start(review_blinded=False)
    turn = server.ask(AMAL, "next").json()
    assert turn["blinded"] is False
    assert server.ask(AMAL, f"{turn['review_id']}/reveal").status_code == 200
    answer = server.ask(AMAL, f"{turn['review_id']}/label", label="benign")
    assert answer.json()["blinded"] is False


def test_of_two_persons_one_is_asked_about_an_image(server):
    mine = server.ask(AMAL, "next").json()["review_id"]
    other = server.ask(NOUR, "next").json()["review_id"]
    assert mine != other
    assert server.ask(NOUR, f"{mine}/label", label="normal").status_code == 404
    server.ask(AMAL, f"{mine}/label", label="normal")
    twice = server.ask(AMAL, f"{mine}/label", label="benign")
    assert (twice.status_code, twice.json()["title"]) == (409, "Somebody was first")
    assert server.ask(NOUR, f"{mine}/undo").status_code == 409


def test_a_skipped_image_is_shown_last(server):
    first = server.ask(AMAL, "next").json()["review_id"]
    assert server.ask(AMAL, f"{first}/skip").status_code == 204
    second = server.ask(AMAL, "next").json()["review_id"]
    assert second != first
    server.ask(AMAL, f"{second}/label", label="normal")
    assert server.ask(AMAL, "next").json()["review_id"] == first


def test_a_label_outside_the_vocabulary_is_refused(server):
    identity = server.ask(AMAL, "next").json()["review_id"]
    answer = server.ask(AMAL, f"{identity}/label", label="cyst")
    assert (answer.status_code, answer.json()["field"]) == (422, "label")
    assert server.ask(AMAL, "../../etc/label", label="normal").status_code in (403, 404, 405, 422)


def test_only_the_scope_review_is_asked(server):
    assert server.ask(WARD, "next").status_code == 403
    assert server.client.post("/v1/review/next").status_code == 401
    assert server.client.get("/review").status_code == 200


def test_a_server_without_keys_calls_its_one_user_local(client):
    client.post("/predict", files={"file": png(NORMAL)})
    database = client.app.state.server.database
    deadline = time.monotonic() + 10
    while not read_kept(database):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    replace_unseen(database, withdrawn=[], added=items_of(database))
    identity = client.post("/v1/review/next").json()["review_id"]
    answer = client.post(f"/v1/review/{identity}/label", json={"label": "normal"})
    assert answer.json()["author"] == "local"
