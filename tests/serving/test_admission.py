from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.store.predictions import count_predictions
from serving.admission import Admission
from serving.errors import Overloaded
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import png


def test_images_are_admitted_up_to_workers_and_queue():
    admission = Admission(workers=2, queue_limit=1)
    with admission.admit(1), admission.admit(1), admission.admit(1):
        with pytest.raises(Overloaded):
            admission.admit(1).__enter__()
        assert admission.pending == 3
    assert admission.pending == 0


def test_a_batch_fits_an_idle_server_and_then_fills_it():
    admission = Admission(workers=1, queue_limit=2)
    with admission.admit(50), pytest.raises(Overloaded):
        admission.admit(1).__enter__()
    with admission.admit(1):
        pass


def test_the_wait_named_grows_with_what_is_pending_and_with_its_cost():
    admission = Admission(workers=1, queue_limit=0)
    for _ in range(200):
        admission.learn(2.0)
    with admission.admit(5), pytest.raises(Overloaded) as refusal:
        admission.admit(1).__enter__()
    assert 9 <= refusal.value.retry_after <= 10


def test_a_failure_gives_its_place_back():
    admission = Admission(workers=1, queue_limit=0)
    with pytest.raises(ValueError, match="boom"), admission.admit(1):
        raise ValueError("boom")
    assert admission.pending == 0


def test_beyond_the_queue_requests_are_refused_at_once_and_nobody_else_suffers(start_app, tmp_path):
    slow = write_tiny_bundle(tmp_path / "slow", work=300, reference_images=1)
    client = start_app(slow, workers=1, queue_limit=2)
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(
                lambda seed: client.post("/predict", files={"file": png(seed=seed)}), range(24)
            )
        )
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    refused = answers[statuses.index(429)]
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["type"] == "urn:vigie:problem:overloaded"
    server = client.app.state.server
    server.shipper.ship()
    assert count_predictions(server.database) == statuses.count(200)
