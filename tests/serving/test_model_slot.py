import threading
import weakref
from datetime import UTC, datetime

import pytest

from ml.contract.records import ModelIdentity
from ml.contract.session import ModelSession
from serving.errors import NoModel
from serving.memory import give_memory_back
from serving.model_slot import LoadedModel, ModelSlot


@pytest.fixture
def loaded(tiny_bundle):
    def load(version: str) -> LoadedModel:
        identity = ModelIdentity(name="vigie", version=version, bundle="b" * 64)
        return LoadedModel(ModelSession.open(tiny_bundle), identity, None, datetime.now(UTC))

    return load


def test_an_empty_slot_has_nothing_to_lease():
    slot = ModelSlot()
    assert slot.current is None
    with pytest.raises(NoModel), slot.lease():
        pass


def test_work_ends_with_the_model_it_began_with(loaded):
    slot = ModelSlot()
    first, second = loaded("1"), loaded("2")
    slot.swap(first)
    with slot.lease() as before:
        assert slot.swap(second) is first
        with slot.lease() as after:
            assert (before, after) == (first, second)
        assert not slot.wait_until_unused(first, 0.01)
    assert slot.wait_until_unused(first, 0)


def test_waiting_ends_when_the_last_lease_is_given_back(loaded):
    slot = ModelSlot()
    first = loaded("1")
    slot.swap(first)
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with slot.lease():
            inside.set()
            leave.wait(10)

    worker = threading.Thread(target=work)
    worker.start()
    inside.wait(10)
    slot.swap(loaded("2"))
    threading.Timer(0.05, leave.set).start()
    assert slot.wait_until_unused(first, 10)
    worker.join()


def test_nothing_keeps_a_replaced_model_alive(loaded):
    slot = ModelSlot()
    slot.swap(loaded("1"))
    with slot.lease() as model:
        session = weakref.ref(model.session)
    del model
    slot.swap(loaded("2"))
    give_memory_back()
    assert session() is None
