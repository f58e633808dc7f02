from datetime import timedelta

from sqlalchemy import Engine

from ml.store.feedback import (
    count_labelled,
    insert_feedback,
    read_feedback,
    read_labelled,
)
from ml.store.predictions import insert_predictions
from tests.unit.store.examples import NOON, feedback, prediction


def test_feedback_comes_back_as_it_was_stored(engine: Engine) -> None:
    record = feedback("f1", "r1", comment="it's “smooth”; 100 %")
    insert_feedback(engine, [record])
    assert read_feedback(engine) == [record]


def test_storing_feedback_again_changes_nothing(engine: Engine) -> None:
    insert_feedback(engine, [feedback("f1", "r1")])
    insert_feedback(engine, [feedback("f1", "r1", label="normal")])
    assert [record.label for record in read_feedback(engine)] == ["benign"]


def test_feedback_may_come_before_its_prediction(engine: Engine) -> None:
    insert_feedback(engine, [feedback("f1", "r1")])
    assert read_labelled(engine) == []
    insert_predictions(engine, [prediction("r1")])
    assert read_labelled(engine) == [(prediction("r1"), feedback("f1", "r1"))]


def test_a_window_holds_its_start_but_not_its_end(engine: Engine) -> None:
    times = [NOON + timedelta(hours=hour) for hour in range(3)]
    insert_feedback(engine, [feedback(f"f{n}", "r1", at=at) for n, at in enumerate(times)])
    window = read_feedback(engine, since=times[0], until=times[2])
    assert [record.feedback_id for record in window] == ["f0", "f1"]


def test_the_newest_label_of_an_image_counts(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1"), prediction("r2"), prediction("r3")])
    later = NOON + timedelta(days=2)
    insert_feedback(
        engine,
        [
            feedback("f1", "r1", label="benign"),
            feedback("f2", "r1", label="normal", at=later),
            feedback("f3", "r2"),
        ],
    )
    labelled = {p.request_id: f.feedback_id for p, f in read_labelled(engine)}
    assert labelled == {"r1": "f2", "r2": "f3"}


def test_labelled_predictions_are_chosen_by_the_time_of_the_answer(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1"), prediction("r2", at=NOON + timedelta(days=1))])
    late = NOON + timedelta(days=30)
    insert_feedback(engine, [feedback("f1", "r1", at=late), feedback("f2", "r2", at=late)])
    window = read_labelled(engine, since=NOON, until=NOON + timedelta(hours=1), model_version="3")
    assert [p.request_id for p, _ in window] == ["r1"]


def test_requests_with_a_usable_label_are_counted_once(engine: Engine) -> None:
    labels = [
        feedback("f1", "r1"),
        feedback("f2", "r1", label="normal"),
        feedback("f3", "r2", label="lipoma"),
        feedback("f4", "r3", at=NOON - timedelta(seconds=1)),
        feedback("f5", "r4", at=NOON),
    ]
    insert_feedback(engine, labels)
    assert count_labelled(engine, ["normal", "benign"], since=NOON) == 2
