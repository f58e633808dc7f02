"""From a doubt to the next dataset, through the real store, database and ledger."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ml.contract.decoding import image_id
from ml.contract.errors import InvalidParams
from ml.data.dataset import load_dataset
from ml.data.image_store import ImageStore
from ml.data.phantoms.files import encode
from ml.journey import dataset as stage
from ml.journey import ingest
from ml.journey.review import decide, list_suspects
from ml.journey.run import database_of
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import Params, load_params
from ml.settings import PROJECT_ROOT
from ml.store.ledger import about
from ml.store.review import read_review


@pytest.fixture(scope="module")
def params() -> Params:
    small = ("data.min_images_per_class=4", "data.min_groups_per_class=3", "data.shards=1")
    return load_params(PROJECT_ROOT / "params.toml", profile="demo", overrides=small)


def smooth(seed: int) -> np.ndarray:
    """An image of its own look, though all have something in common."""
    rng = np.random.default_rng(seed)
    common, own = (source.uniform(20, 235, (6, 6)) for source in (np.random.default_rng(99), rng))
    coarse = 0.66 * common + 0.34 * own
    fine = np.kron(coarse, np.ones((20, 20))) + rng.normal(0, 6, (120, 120))
    return fine.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    """A home with images of three labels, one delivered twice, brighter and of another label."""
    home = tmp_path_factory.mktemp("taken-in") / "home"
    workspace = at(home)
    for number, label in enumerate(["normal", "benign", "malignant"] * 8):
        put(workspace, f"{number}.png", label, smooth(number))
    put(workspace, "again.png", "malignant", brighter(smooth(1), 12))
    take_in(workspace, params)
    return home


@pytest.fixture
def delivered(taken_in: Path, tmp_path: Path) -> Workspace:
    """The same home, for one test."""
    return at(shutil.copytree(taken_in, tmp_path / "home"))


def at(home: Path) -> Workspace:
    return Workspace.at(home, expectations=PROJECT_ROOT / "expectations")


def brighter(pixels: np.ndarray, levels: int) -> np.ndarray:
    return (pixels.astype(int) + levels).clip(0, 255).astype(np.uint8)


def put(workspace: Workspace, name: str, label: str, pixels: np.ndarray) -> str:
    """Lay an image into the landing zone; returns its id."""
    folder = workspace.landing / label
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(encode(pixels, "image/png"))
    return image_id(pixels)


def take_in(workspace: Workspace, params: Params) -> None:
    """Stages 1 and 2."""
    batch = ingest.plan(workspace, params)
    for index in range(batch.shards):
        ingest.ingest_shard(workspace, params, batch.batch_id, index)
    ingest.merge(workspace, batch.batch_id)
    validate(workspace, params, batch.batch_id)


def similarity(one: bytes, other: bytes) -> float:
    first, second = (np.frombuffer(look, np.int8).astype(float) for look in (one, other))
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_look_alikes_of_other_labels_are_listed_once(delivered: Workspace, params: Params) -> None:
    info = stage.freeze(delivered, params)
    assert (info.conflicts, info.disputed) == (2, 0)
    stage.freeze(delivered, params)
    items = read_review(database_of(delivered))
    assert sorted(str(item.evidence["label"]) for item in items) == ["benign", "malignant"]
    assert {item.evidence["dataset_id"] for item in items} == {info.dataset_id}


def test_a_decided_label_enters_the_next_dataset_with_its_source(
    delivered: Workspace, params: Params
) -> None:
    first = stage.freeze(delivered, params)
    database = database_of(delivered)
    (wrong,) = [i for i in read_review(database) if i.evidence["label"] == "malignant"]
    decide(delivered, params, wrong.review_id, label="benign", reason="a cyst", actor="Dr. Amal")
    second = stage.freeze(delivered, params)
    assert second.dataset_id != first.dataset_id
    assert (second.relabelled, second.conflicts) == (1, 0)
    found = stage.diff(delivered, first.dataset_id, second.dataset_id)
    assert [(item.image_id, item.after) for item in found.relabelled] == [
        (wrong.image_id, "benign")
    ]
    assert found.test_touched == 0
    card = Path(second.card).read_text()
    assert "| label decided by a person afterwards | 1 |" in card
    (line,) = about(database, f"image/{wrong.image_id}")
    assert (line.actor, line.action, line.reason) == ("Dr. Amal", "review", "a cyst")


def test_what_a_person_let_stand_is_no_longer_disputed(
    delivered: Workspace, params: Params
) -> None:
    strict = params.model_copy(
        update={"data": params.data.model_copy(update={"conflicts": "set_aside"})}
    )
    first = stage.freeze(delivered, strict)
    assert (first.disputed, first.images) == (2, 23)
    for item in read_review(database_of(delivered)):
        decide(delivered, strict, item.review_id, label=None, reason="both", actor="Dr. Amal")
    second = stage.freeze(delivered, strict)
    assert (second.disputed, second.conflicts, second.images) == (0, 0, 25)


def test_a_doubt_that_is_gone_is_moot_and_another_one_is_listed_anew(
    delivered: Workspace, params: Params
) -> None:
    stage.freeze(delivered, params)
    database = database_of(delivered)
    (wrong,) = [i for i in read_review(database) if i.evidence["label"] == "malignant"]
    decide(delivered, params, wrong.review_id, label="benign", reason="a cyst", actor="Dr. Amal")
    stage.freeze(delivered, params)
    assert sorted(item.state for item in read_review(database)) == ["moot", "relabelled"]
    put(delivered, "third.png", "normal", brighter(smooth(1), -9))
    take_in(delivered, params)
    info = stage.freeze(delivered, params)
    assert info.conflicts == 3
    opened = read_review(database, state="open")
    assert [item.evidence["others"] for item in opened if item.image_id == wrong.image_id] == [
        ["normal"]
    ]


def test_an_image_that_joins_a_past_test_to_other_splits_is_listed(
    delivered: Workspace, params: Params
) -> None:
    strict = params.model_copy(
        update={"data": params.data.model_copy(update={"max_tied_images": 0})}
    )
    first = stage.freeze(delivered, strict)
    frame = load_dataset(delivered.datasets, first.dataset_id)
    store, looks = ImageStore(delivered.images), frame.set_index("image_id")["descriptor"]
    trained, tested = (frame.loc[frame["split"] == name, "image_id"] for name in ("train", "test"))
    most_alike = max(product(trained, tested), key=lambda pair: similarity(*looks[list(pair)]))
    left, right = (store.load(name) for name in most_alike)
    halfway = (0.5 * left + 0.5 * right).astype(np.uint8)
    joining = put(delivered, "halfway.png", "benign", halfway)
    take_in(delivered, strict)
    info = stage.freeze(delivered, strict)
    assert (info.dataset_id, info.ties, info.set_aside) == (first.dataset_id, 1, 1)
    (item,) = read_review(database_of(delivered), kind="tie")
    assert (item.image_id, item.evidence["splits"]) == (joining, ["test", "train"])
    with pytest.raises(InvalidParams, match="not in doubt"):
        decide(delivered, strict, item.review_id, label="benign", reason="", actor="Dr. Amal")
    seen = decide(delivered, strict, item.review_id, label=None, reason="seen", actor="Dr. Amal")
    assert seen.state == "kept"


def test_only_labels_of_the_vocabulary_can_be_given(delivered: Workspace, params: Params) -> None:
    stage.freeze(delivered, params)
    item = read_review(database_of(delivered))[0]
    with pytest.raises(InvalidParams, match="cyst"):
        decide(delivered, params, item.review_id, label="cyst", reason="", actor="Dr. Amal")
    assert read_review(database_of(delivered), state="open")


def test_suspects_are_listed_with_what_the_answers_say(
    delivered: Workspace, params: Params
) -> None:
    from ml.journey.images import label_indices

    frame = load_dataset(delivered.datasets, stage.freeze(delivered, params).dataset_id)
    labels = label_indices(frame, params.data.labels)
    answers = np.full((len(labels), 3), 0.02)
    answers[np.arange(len(labels)), labels] = 0.96
    answers[0] = np.roll(answers[0], 1)
    assert list_suspects(delivered, params, frame, labels, answers, source="cv-1") == 1
    (item,) = read_review(database_of(delivered), kind="suspect")
    assert item.image_id == frame["image_id"].iloc[0]
    assert item.evidence["suggested"] != item.evidence["label"]
    assert item.evidence["run_key"] == "cv-1"
