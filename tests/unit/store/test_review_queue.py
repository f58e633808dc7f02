from datetime import timedelta

import pytest
from sqlalchemy import Engine

from ml.contract.errors import AlreadyDecided, NotFound
from ml.contract.records import FeedbackRecord
from ml.store.feedback import read_feedback
from ml.store.prediction_columns import Window, read_labelled_columns
from ml.store.predictions import insert_predictions
from ml.store.review import decide, decided_labels
from ml.store.review_images import forget_images
from ml.store.review_queue import (
    HOLD,
    feedback_id,
    held_item,
    label_item,
    next_item,
    read_progress,
    read_queue,
    replace_unseen,
    reveal_answer,
    skip_item,
    undo_label,
)
from tests.unit.store.examples import NOON, prediction
from tests.unit.store.test_review_images import image, keep, listed

AMAL, NOUR = "Dr. Amal", "Dr. Nour"


@pytest.fixture
def queue(engine: Engine) -> Engine:
    """Three images that wait."""
    keep(engine, image(1), image(2), image(3), per_day=9)
    items = [
        listed(number).model_copy(update={"since": NOON + timedelta(minutes=number)})
        for number in (1, 2, 3)
    ]
    replace_unseen(engine, withdrawn=[], added=items)
    return engine


def shown(engine: Engine, person: str, minutes: int = 0) -> int:
    item = next_item(engine, person, NOON + timedelta(minutes=minutes))
    assert item is not None
    return int(item.image_id, 16)


def label(engine: Engine, number: int, person: str = AMAL, name: str = "benign") -> None:
    identity = listed(number).review_id
    label_item(
        engine,
        identity,
        FeedbackRecord(
            feedback_id=feedback_id(identity),
            request_id=f"r{number}",
            at=NOON + timedelta(minutes=5),
            label=name,
            author=person,
            source="sample",
            blinded=True,
        ),
    )


def truth(engine: Engine) -> dict[str, str]:
    """By request, the labels that a model's performance is measured with."""
    model = prediction("r1").model
    window = Window(NOON, NOON + timedelta(hours=1), model.version, model.bundle)
    found = read_labelled_columns(engine, window, ["normal", "benign", "malignant"])
    return {row["request_id"]: row["truth"] for table in found for row in table.to_pylist()}


def test_two_persons_look_at_different_images(queue: Engine) -> None:
    assert [shown(queue, AMAL), shown(queue, NOUR), shown(queue, AMAL)] == [1, 2, 1]


def test_what_somebody_left_is_shown_to_another_after_a_while(queue: Engine) -> None:
    shown(queue, AMAL)
    after = HOLD // timedelta(minutes=1) + 1
    assert shown(queue, NOUR, after) == 1
    with pytest.raises(AlreadyDecided, match="not held by you"):
        label(queue, 1)


def test_a_label_is_kept_with_its_feedback_and_counts_at_once(queue: Engine) -> None:
    shown(queue, AMAL)
    label(queue, 1)
    (feedback,) = read_feedback(queue)
    assert (feedback.request_id, feedback.label, feedback.author) == ("r1", "benign", AMAL)
    assert (feedback.source, feedback.blinded) == ("sample", True)
    assert decided_labels(queue) == {image(1).image_id: "benign"}
    assert shown(queue, AMAL) == 2
    progress = read_progress(queue, AMAL, NOON)
    assert (progress.waiting, progress.labelled) == (2, 1)
    assert read_progress(queue, NOUR, NOON).labelled == 0


def test_nobody_labels_what_another_holds_or_what_is_labelled(queue: Engine) -> None:
    shown(queue, AMAL)
    with pytest.raises(AlreadyDecided):
        label(queue, 1, NOUR)
    label(queue, 1)
    with pytest.raises(AlreadyDecided):
        label(queue, 1, AMAL, "normal")
    assert [each.label for each in read_feedback(queue)] == ["benign"]


def test_a_skipped_image_comes_last(queue: Engine) -> None:
    shown(queue, AMAL)
    skip_item(queue, listed(1).review_id, AMAL)
    shown(queue, AMAL)
    skip_item(queue, listed(2).review_id, AMAL)
    assert shown(queue, AMAL) == 3
    label(queue, 3)
    assert shown(queue, AMAL) == 1
    with pytest.raises(AlreadyDecided):
        skip_item(queue, listed(2).review_id, AMAL)


def test_a_label_is_undone_by_who_gave_it_until_it_landed(queue: Engine) -> None:
    shown(queue, AMAL)
    label(queue, 1)
    with pytest.raises(AlreadyDecided, match="another gave it"):
        undo_label(queue, listed(1).review_id, NOUR, NOON)
    undo_label(queue, listed(1).review_id, AMAL, NOON)
    assert read_feedback(queue) == []
    assert decided_labels(queue) == {}
    assert shown(queue, AMAL) == 1
    label(queue, 1, name="malignant")
    assert [each.label for each in read_feedback(queue)] == ["malignant"]
    forget_images(queue, [image(1).image_id])
    with pytest.raises(AlreadyDecided, match="has landed"):
        undo_label(queue, listed(1).review_id, AMAL, NOON)


def test_a_revised_label_counts_and_the_one_before_stays_beside_it(queue: Engine) -> None:
    insert_predictions(queue, [prediction("r1")])
    shown(queue, AMAL)
    label(queue, 1)
    identity, later = listed(1).review_id, NOON + timedelta(days=1)
    decide(queue, identity, label="malignant", by=NOUR, reason="it is", at=later, revise=True)
    assert truth(queue) == {"r1": "malignant"}
    before, revised = read_feedback(queue)
    assert (before.label, before.author, before.blinded) == ("benign", AMAL, True)
    assert (revised.label, revised.author, revised.at) == ("malignant", NOUR, later)
    assert (revised.comment, revised.source, revised.blinded) == ("it is", "sample", None)


def test_of_revisions_the_last_counts_whatever_the_clocks_say(queue: Engine) -> None:
    insert_predictions(queue, [prediction("r1")])
    shown(queue, AMAL)
    label(queue, 1)
    for name in ("malignant", "normal"):
        decide(queue, listed(1).review_id, label=name, by=NOUR, reason="", at=NOON, revise=True)
        assert truth(queue) == {"r1": name}
    assert len(read_feedback(queue)) == 3


def test_a_revision_of_what_nobody_labelled_is_no_feedback(queue: Engine) -> None:
    decide(queue, listed(1).review_id, label="normal", by=NOUR, reason="", revise=True)
    assert read_feedback(queue) == []


def test_what_was_shown_stays_noted_with_its_first_time(queue: Engine) -> None:
    shown(queue, AMAL)
    label(queue, 1)
    later = NOON + timedelta(minutes=6)
    first = reveal_answer(queue, listed(1).review_id, AMAL, later)
    again = reveal_answer(queue, listed(1).review_id, AMAL, later + timedelta(hours=1))
    assert first.revealed_at == again.revealed_at == later
    assert first.is_blinded
    undo_label(queue, listed(1).review_id, AMAL, later)
    assert held_item(queue, listed(1).review_id, AMAL).revealed_at == later
    with pytest.raises(NotFound, match="not shown"):
        reveal_answer(queue, listed(2).review_id, AMAL, later)


def test_only_what_nobody_was_shown_is_withdrawn(queue: Engine) -> None:
    shown(queue, AMAL)
    names = [listed(number).review_id for number in (1, 2)]
    replace_unseen(queue, withdrawn=names, added=[listed(1)])
    assert [int(item.image_id, 16) for item in read_queue(queue)] == [1, 3]


def test_an_image_whose_pixels_are_gone_is_shown_to_nobody(queue: Engine) -> None:
    forget_images(queue, [image(1).image_id])
    assert shown(queue, AMAL) == 2
    forget_images(queue, [image(2).image_id, image(3).image_id])
    assert next_item(queue, AMAL, NOON) is None
