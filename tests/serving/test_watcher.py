import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.contract.bundle import BUNDLE_FILE, MODEL_FILE, bundle_sha256
from ml.contract.errors import BundleInvalid, Unavailable
from ml.contract.records import ModelIdentity
from serving.metrics import ServerMetrics
from serving.model_slot import ModelSlot
from serving.sources import Candidate
from serving.watcher import Watcher
from tests.fakes.tiny_bundle import write_tiny_bundle


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


def _altered(folder: Path) -> None:
    model = folder / MODEL_FILE
    model.write_bytes(model.read_bytes() + b"x")


def _half_copied(folder: Path) -> None:
    (folder / MODEL_FILE).unlink()


def _other_schema(folder: Path) -> None:
    path = folder / BUNDLE_FILE
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))


FAULTS = {
    "altered": ({}, _altered),
    "half copied": ({}, _half_copied),
    "of another schema": ({}, _other_schema),
    "answers with NaN": ({"label_bias": {"benign": float("nan")}}, None),
    "fails its golden answers": ({"golden_offset": 0.1}, None),
    "of other preprocessing": ({"preprocessing_version": 99}, None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_candidate_leaves_the_old_model_answering(watcher, shelf, slot, bundle, fault):
    knobs, damage = FAULTS[fault]
    shelf.bundle = bundle("1")
    watcher.look()
    shelf.bundle = bundle("2", **knobs)
    if damage:
        damage(shelf.bundle)
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
