"""From images that servers keep to the list, to the landing zone, to the next dataset."""

import csv
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ml.contract.decoding import image_id
from ml.contract.errors import InvalidParams
from ml.contract.records import FeedbackRecord
from ml.data.dataset import load_dataset
from ml.data.phantoms.files import encode
from ml.journey import dataset as stage
from ml.journey.drift import watch
from ml.journey.review import decide
from ml.journey.review_landing import ZoneSpeaksForItself, land
from ml.journey.review_queue import QueueResult, queue
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.params import Params
from ml.store.feedback import read_feedback
from ml.store.ledger import about
from ml.store.predictions import insert_predictions
from ml.store.review_images import KeptImage, keep_image, read_kept
from ml.store.review_queue import (
    feedback_id,
    label_item,
    next_item,
    queue_id,
    read_queue,
    skip_item,
)
from tests.unit.journey.test_drift import END, PARAMS, answers, bundle, installed, workspace
from tests.unit.journey.test_review import at, delivered, params, smooth, take_in, taken_in
from tests.unit.store.examples import NOON, prediction

__all__ = ["answers", "bundle", "delivered", "installed", "params", "taken_in", "workspace"]

EVEN = {"normal": 0.3, "benign": 0.4, "malignant": 0.3}


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    return at(tmp_path / "home")


def answer(workspace: Workspace, pixels: np.ndarray, share: str = "low_confidence", **said) -> str:
    """As if a server had answered this image and kept it; returns its id."""
    database, name = database_of(workspace), image_id(pixels)
    record = prediction(f"r-{name[:12]}", image_id=name, **{"probabilities": EVEN, **said})
    insert_predictions(database, [record])
    kept = KeptImage(
        image_id=name,
        request_id=record.request_id,
        at=record.at,
        until=record.at + timedelta(days=14),
        share=share,
        priority=0.5,
    )
    keep_image(database, kept, encode(pixels, "image/png"), per_day=50, max_bytes=2**24)
    return name


def bounded(params: Params, **bounds: int) -> Params:
    return params.model_copy(update={"review": params.review.model_copy(update=bounds)})


def label(workspace: Workspace, name: str = "malignant", person: str = "Dr. Amal") -> str:
    """The next image, as on the page; returns its id."""
    database = database_of(workspace)
    item = next_item(database, person, NOON)
    assert item is not None
    label_item(
        database,
        item.review_id,
        FeedbackRecord(
            feedback_id=feedback_id(item.review_id),
            request_id=str(item.evidence["request_id"]),
            at=NOON + timedelta(hours=1),
            label=name,
            author=person,
            source="review",
            blinded=True,
        ),
    )
    return item.image_id


def test_looking_again_changes_nothing(home: Workspace) -> None:
    names = {answer(home, smooth(number)) for number in range(3)}
    first = queue(home, PARAMS, now=NOON)
    assert first == QueueResult(queued={"low_confidence": 3}, withdrawn=0, with_text=0, expired=0)
    items = read_queue(database_of(home))
    assert {item.image_id for item in items} == names
    assert queue(home, PARAMS, now=NOON).queued == {}
    assert read_queue(database_of(home)) == items


def test_a_day_has_a_bound_and_what_deserves_it_more_takes_the_place(home: Workspace) -> None:
    one = bounded(PARAMS, low_confidence=1)
    surer = {"normal": 0.1, "benign": 0.1, "malignant": 0.8}
    first = answer(home, smooth(1), probabilities=surer)
    queue(home, one, now=NOON)
    second = answer(home, smooth(2))
    result = queue(home, one, now=NOON)
    assert (result.queued, result.withdrawn) == ({"low_confidence": 1}, 1)
    assert [item.image_id for item in read_queue(database_of(home))] == [second]
    assert first in {image.image_id for image in read_kept(database_of(home))}


def test_what_somebody_was_shown_stays_and_counts(home: Workspace) -> None:
    one = bounded(PARAMS, low_confidence=1)
    first = answer(home, smooth(1), probabilities={"normal": 0.1, "benign": 0.1, "malignant": 0.8})
    queue(home, one, now=NOON)
    item = next_item(database_of(home), "Dr. Amal", NOON)
    assert item is not None
    skip_item(database_of(home), item.review_id, "Dr. Amal")
    answer(home, smooth(2))
    assert queue(home, one, now=NOON).queued == {}
    assert [item.image_id for item in read_queue(database_of(home))] == [first]


def test_an_image_with_text_is_forgotten_before_anybody_sees_it(home: Workspace) -> None:
    picture = Image.fromarray(np.full((300, 400), 40, np.uint8))
    ImageDraw.Draw(picture).text((20, 20), "DOE JANE 1970-01-01", fill=240, font_size=22)
    named = answer(home, np.asarray(picture))
    clean = answer(home, smooth(1))
    result = queue(home, PARAMS, now=NOON)
    assert result.with_text == 1
    assert [item.image_id for item in read_queue(database_of(home))] == [clean]
    assert named not in {image.image_id for image in read_kept(database_of(home))}


def test_nobody_is_asked_about_an_image_whose_time_is_over(home: Workspace) -> None:
    answer(home, smooth(1))
    queue(home, PARAMS, now=NOON)
    result = queue(home, PARAMS, now=NOON + timedelta(days=15))
    assert (result.expired, result.queued) == (1, {})
    assert read_kept(database_of(home)) == []


def test_what_shows_the_drift_of_the_newest_report_is_queued_once(workspace, answers) -> None:
    records = answers(120, end=END, brighter=80)
    database = database_of(workspace)
    insert_predictions(database, records)
    for number, record in enumerate(records[:8]):
        pixels = smooth(number)
        kept = KeptImage(
            record.image_id, record.request_id, record.at, END + timedelta(days=9), "sample", 0.1
        )
        keep_image(database, kept, encode(pixels, "image/png"), per_day=50, max_bytes=2**24)
    assert watch(workspace, PARAMS, until=END).drift.state == "drifted"
    few = bounded(PARAMS, drift=3, random=0, low_confidence=0, outlier=0, disagreement=0)
    assert queue(workspace, few, now=END).queued == {"drift": 3}
    items = read_queue(database)
    assert all(item.evidence["signals"] for item in items)
    assert queue(workspace, few, now=END).queued == {}


def test_a_label_lands_enters_the_dataset_and_judges_no_model(
    delivered: Workspace, params: Params
) -> None:
    before = stage.freeze(delivered, params)
    names = {
        answer(delivered, smooth(100 + number), site="north", scanner="s-1") for number in range(5)
    }
    queue(delivered, params, now=NOON)
    assert {label(delivered) for _ in names} == names
    database = database_of(delivered)
    assert land(delivered, params, now=NOON + timedelta(hours=1)).images == 0  # can be undone
    later = NOON + timedelta(hours=3)
    assert land(delivered, params, now=later).images == 5
    assert land(delivered, params, now=later).images == 0
    assert read_kept(database) == []
    with (delivered.landing / "review" / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["label"], row["site"], row["scanner"]) for row in rows} == {
        ("malignant", "north", "s-1")
    }
    take_in(delivered, params)
    info = stage.freeze(delivered, params)
    assert (info.images, info.relabelled) == (before.images + 5, 5)
    frame = load_dataset(delivered.datasets, info.dataset_id).set_index("image_id")
    reviewed = frame.loc[sorted(names)]
    assert set(reviewed["label_source"]) == {"review"}
    assert set(reviewed["split"]) == {"train"}
    assert (info.leak.exact_copies, info.leak.cross_split_groups) == (0, 0)
    (line,) = about(database, f"image/{sorted(names)[0]}")
    assert (line.actor, line.action, line.evidence["blinded"]) == ("Dr. Amal", "review", True)


def test_a_landing_zone_that_speaks_for_itself_keeps_them_waiting(home: Workspace) -> None:
    answer(home, smooth(1))
    queue(home, PARAMS, now=NOON)
    label(home)
    home.landing.mkdir(parents=True)
    (home.landing / "images.csv").write_text("path,label\n")
    with pytest.raises(ZoneSpeaksForItself, match="1 labelled images cannot land"):
        land(home, PARAMS, now=NOON + timedelta(days=1))
    assert len(read_kept(database_of(home))) == 1


def test_the_command_line_revises_and_does_not_label(home: Workspace) -> None:
    name = answer(home, smooth(1))
    queue(home, PARAMS, now=NOON)
    say = {"reason": "seen again", "actor": "Dr. Nour"}
    with pytest.raises(InvalidParams, match="review page"):
        decide(home, PARAMS, queue_id(name), label="benign", **say)
    label(home)
    revised = decide(home, PARAMS, queue_id(name), label="benign", revise=True, **say)
    assert (revised.state, revised.label) == ("relabelled", "benign")
    given = [(each.label, each.author) for each in read_feedback(database_of(home))]
    assert given == [("malignant", "Dr. Amal"), ("benign", "Dr. Nour")]
