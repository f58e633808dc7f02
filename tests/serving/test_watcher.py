import gc
import logging
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.contract.bundle import bundle_sha256
from ml.contract.errors import BundleInvalid, EngineUnusable, Unavailable
from ml.contract.records import ModelIdentity
from ml.store import ledger
from ml.store.database import open_database
from ml.store.migrate import migrate
from serving.ledger_check import LedgerCheck
from serving.metrics import ServerMetrics
from serving.model_slot import ModelSlot
from serving.sources import Candidate
from serving.watcher import Watcher
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.broken_bundles import FAULTS, write_broken_bundle


class ShelfSource:
    """Names whatever bundle was put on it; counts how often one was fetched."""

    def __init__(self) -> None:
        self.bundle: Path | None = None
        self.fetched = 0
        self.fails = False
        self.accepted: list[str] = []

    def look(self) -> Candidate | None:
        if self.fails:
            raise Unavailable("The shelf does not answer.")
        if self.bundle is None:
            return None
        identity = ModelIdentity(
            name="vigie", version=self.bundle.name, bundle=bundle_sha256(self.bundle)
        )
        return Candidate(identity=identity, alias="production", location=str(self.bundle))

    def last_good(self) -> Candidate | None:
        return None

    def fetch(self, candidate: Candidate) -> Path:
        self.fetched += 1
        return Path(candidate.location)

    def accept(self, candidate: Candidate) -> None:
        self.accepted.append(candidate.identity.version)


@pytest.fixture
def shelf() -> ShelfSource:
    return ShelfSource()


@pytest.fixture
def slot() -> ModelSlot:
    return ModelSlot()


@pytest.fixture
def watcher(shelf: ShelfSource, slot: ModelSlot) -> Watcher:
    return Watcher(shelf, slot, ServerMetrics(), poll_seconds=0.01)


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    def write(version: str, **knobs: object) -> Path:
        return write_tiny_bundle(tmp_path / version, run_key=version, **knobs)

    return write


def test_what_the_source_names_is_loaded_once(watcher, shelf, slot, bundle):
    assert not watcher.look()
    shelf.bundle = bundle("1")
    assert watcher.look()
    assert not watcher.look()
    assert slot.current.identity.version == "1"
    assert (shelf.fetched, shelf.accepted) == (1, ["1"])
    shelf.bundle = bundle("2")
    assert watcher.look()
    assert slot.current.identity.version == "2"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_candidate_leaves_the_old_model_answering(
    watcher, shelf, slot, bundle, tmp_path, fault
):
    shelf.bundle = bundle("1")
    watcher.look()
    shelf.bundle = write_broken_bundle(tmp_path / "2", fault)
    with pytest.raises(BundleInvalid):
        watcher.look()
    assert slot.current.identity.version == "1"
    assert shelf.accepted == ["1"]


def test_a_bad_candidate_is_not_tried_at_every_poll_but_a_new_one_is(watcher, shelf, slot, bundle):
    shelf.bundle = bundle("bad", golden_offset=0.1)
    with pytest.raises(BundleInvalid):
        watcher.look()
    for _ in range(5):
        assert not watcher.look()
    assert shelf.fetched == 1
    shelf.bundle = bundle("good")
    assert watcher.look()
    assert slot.current.identity.version == "good"


def test_the_choice_of_the_engine_is_one_line_in_the_log(watcher, shelf, slot, bundle, caplog):
    caplog.set_level(logging.INFO)
    shelf.bundle = bundle("1")
    watcher.look()
    choice = slot.current.session.choice
    assert caplog.messages.count(choice.sentence()) == 1
    assert choice.trials[0].milliseconds > 0


def test_a_pinned_engine_that_cannot_be_used_keeps_the_old_model(shelf, slot, bundle, monkeypatch):
    shelf.bundle = bundle("1")
    Watcher(shelf, slot, ServerMetrics(), poll_seconds=1, engine="onnxruntime").look()
    monkeypatch.setitem(sys.modules, "openvino", None)
    shelf.bundle = bundle("2")
    pinned = Watcher(shelf, slot, ServerMetrics(), poll_seconds=1, engine="openvino")
    with pytest.raises(EngineUnusable, match="not installed"):
        pinned.look()
    assert slot.current.identity.version == "1"


def test_a_bundle_that_the_ledger_does_not_know_by_this_version_keeps_the_old_model(
    shelf, slot, bundle, tmp_path
):
    database = open_database(f"sqlite:///{tmp_path}/vigie.db")
    migrate(database)
    watcher = Watcher(shelf, slot, ServerMetrics(), poll_seconds=1, ledger=LedgerCheck(database))
    shelf.bundle = bundle("1")
    assert watcher.look()
    ledger.append(
        database,
        actor="pipeline",
        action="register",
        subject="vigie/2",
        reason="weekly",
        evidence={"bundle_sha256": "f" * 64},
    )
    shelf.bundle = bundle("2")
    with pytest.raises(BundleInvalid, match="another bundle"):
        watcher.look()
    assert slot.current.identity.version == "1"
    assert shelf.fetched == 1


def test_a_candidate_that_cannot_be_loaded_is_shown_until_the_source_names_a_good_one(
    shelf, slot, bundle, tmp_path
):
    metrics = ServerMetrics()
    watcher = Watcher(shelf, slot, metrics, poll_seconds=0.05)
    shelf.bundle = write_broken_bundle(tmp_path / "broken", FAULTS[0])
    with pytest.raises(BundleInvalid):
        watcher.look()
    assert b'vigie_model_rejected{role="production"} 1.0' in metrics.render()
    shelf.bundle = bundle("one")
    watcher.look()
    assert b'vigie_model_rejected{role="production"} 0.0' in metrics.render()


def test_a_hint_is_a_look_at_once(shelf, slot, bundle):
    shelf.bundle = bundle("1")
    watcher = Watcher(shelf, slot, ServerMetrics(), poll_seconds=3600)
    watcher.start()
    wait_for_version(slot, "1")
    shelf.bundle = bundle("2")
    watcher.hint()
    wait_for_version(slot, "2")
    watcher.stop()


def test_the_first_look_is_waited_for_until_its_model_answers(shelf, slot, bundle):
    shelf.bundle = bundle("1")
    watcher = Watcher(shelf, slot, ServerMetrics(), poll_seconds=3600)
    assert not watcher.wait_for_first(0)
    watcher.start()
    assert watcher.wait_for_first(20)
    assert slot.current.identity.version == "1"
    watcher.stop()


@pytest.mark.parametrize("fails", [False, True], ids=["names none", "fails"])
def test_a_first_look_without_a_model_is_not_waited_for_any_longer(shelf, slot, fails):
    shelf.fails = fails
    watcher = Watcher(shelf, slot, ServerMetrics(), poll_seconds=3600)
    watcher.start()
    assert watcher.wait_for_first(20)
    assert slot.current is None
    watcher.stop()


class HangingSource(ShelfSource):
    """Does not answer until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.released = threading.Event()

    def look(self) -> Candidate | None:
        self.asked.set()
        self.released.wait(30)
        return super().look()


def test_a_source_that_hangs_holds_no_stop_up(slot, monkeypatch):
    monkeypatch.setattr("serving.watcher._STOP_SECONDS", 0.2)
    source = HangingSource()
    watcher = Watcher(source, slot, ServerMetrics(), poll_seconds=3600)
    watcher.start()
    assert source.asked.wait(10)
    started = time.monotonic()
    watcher.stop()
    assert time.monotonic() - started < 5
    source.released.set()


def wait_for_version(slot: ModelSlot, version: str) -> None:
    deadline = time.monotonic() + 20
    while slot.current is None or slot.current.identity.version != version:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_replaced_is_freed(watcher, shelf, slot, bundle):
    shelf.bundle = bundle("1")
    watcher.look()
    before = weakref.ref(slot.current.session)
    shelf.bundle = bundle("2")
    watcher.look()
    gc.collect()
    assert before() is None


def test_a_source_in_trouble_changes_nothing_and_is_asked_again(watcher, shelf, slot, bundle):
    shelf.bundle = bundle("1")
    watcher.look()
    shelf.fails = True
    with pytest.raises(Unavailable):
        watcher.look()
    assert slot.current.identity.version == "1"
    shelf.fails, shelf.bundle = False, bundle("2")
    assert watcher.look()


def test_an_alias_that_names_nothing_any_more_leaves_the_model_answering(
    watcher, shelf, slot, bundle
):
    shelf.bundle = bundle("1")
    watcher.look()
    shutil.rmtree(shelf.bundle)
    shelf.bundle = None
    assert not watcher.look()
    assert slot.current.identity.version == "1"


def test_trouble_is_said_once_and_counted_each_time(shelf, slot, caplog):
    metrics = ServerMetrics()
    shelf.fails = True
    watcher = Watcher(shelf, slot, metrics, poll_seconds=0.01)
    watcher.start()
    counter = metrics.reload_failures.labels("unavailable")
    while counter._value.get() < 5:
        pass
    watcher.stop()
    assert sum("does not answer" in message for message in caplog.messages) == 1
