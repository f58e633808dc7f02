from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from ml.contract.errors import AlreadyDecided, NotFound
from ml.contract.records import ReviewItem
from ml.store.review import (
    decide,
    decided_labels,
    list_all_of_kind,
    list_for_review,
    read_item,
    read_review,
    review_id,
)

AT = datetime(2026, 5, 4, tzinfo=UTC)


def item(number: int = 0, **changes: object) -> ReviewItem:
    image_id = f"{number:064x}"
    values = {
        "review_id": review_id("conflict", image_id, "benign, malignant"),
        "image_id": image_id,
        "kind": "conflict",
        "evidence": {"label": "benign", "others": ["malignant"]},
        "since": AT + timedelta(days=number),
    }
    return ReviewItem.model_validate(values | changes)


def test_items_come_back_oldest_first(engine: Engine) -> None:
    list_for_review(engine, [item(2), item(0), item(1)])
    assert read_review(engine) == [item(0), item(1), item(2)]


def test_what_is_found_again_is_listed_once_and_stays_decided(engine: Engine) -> None:
    list_for_review(engine, [item()])
    decide(engine, item().review_id, label="malignant", by="Dr. Amal", reason="seen", at=AT)
    list_for_review(engine, [item(), item(1)])
    assert [found.state for found in read_review(engine)] == ["relabelled", "open"]
    assert read_review(engine, state="open", kind="conflict") == [item(1)]
    assert read_review(engine, kind="suspect") == []


def test_a_decision_says_who_when_and_why(engine: Engine) -> None:
    list_for_review(engine, [item()])
    decided = decide(engine, item().review_id, label=None, by="Dr. Amal", reason="both fit", at=AT)
    assert (decided.state, decided.label, decided.decided_by) == ("kept", None, "Dr. Amal")
    assert (decided.decided_at, decided.reason) == (AT, "both fit")
    assert read_item(engine, decided.review_id) == decided


def test_what_is_not_found_any_more_is_moot_until_it_is_found_again(engine: Engine) -> None:
    suspect = item(7, kind="suspect")
    list_for_review(engine, [suspect])
    list_all_of_kind(engine, "conflict", [item(0), item(1), item(2)])
    decide(engine, item(0).review_id, label=None, by="Dr. Amal", reason="", at=AT)
    list_all_of_kind(engine, "conflict", [item(2), item(3)])
    states = {found.image_id: found.state for found in read_review(engine)}
    assert states == {
        item(0).image_id: "kept",
        item(1).image_id: "moot",
        item(2).image_id: "open",
        item(3).image_id: "open",
        suspect.image_id: "open",
    }
    list_all_of_kind(engine, "conflict", [item(0), item(1)])
    opened = {found.image_id for found in read_review(engine, state="open", kind="conflict")}
    assert opened == {item(1).image_id}


def test_a_decision_can_be_revised(engine: Engine) -> None:
    list_for_review(engine, [item()])
    decide(engine, item().review_id, label="malignant", by="Dr. Amal", reason="", at=AT)
    revised = decide(engine, item().review_id, label=None, by="Dr. Bo", reason="", revise=True)
    assert (revised.state, revised.label, revised.decided_by) == ("kept", None, "Dr. Bo")
    assert decided_labels(engine) == {}


def test_of_two_decisions_the_first_counts(engine: Engine) -> None:
    list_for_review(engine, [item()])
    decide(engine, item().review_id, label="malignant", by="Dr. Amal", reason="")
    with pytest.raises(AlreadyDecided, match="Amal decided"):
        decide(engine, item().review_id, label="benign", by="Dr. Bo", reason="")
    assert read_item(engine, item().review_id).label == "malignant"


def test_what_is_not_listed_cannot_be_decided(engine: Engine) -> None:
    with pytest.raises(NotFound, match="0000"):
        decide(engine, "0" * 16, label=None, by="Dr. Amal", reason="")


def test_the_latest_label_of_an_image_counts(engine: Engine) -> None:
    again = item(review_id=review_id("suspect", item().image_id, "normal"), kind="suspect")
    list_for_review(engine, [item(), again, item(1)])
    decide(engine, again.review_id, label="normal", by="b", reason="", at=AT + timedelta(hours=1))
    decide(engine, item().review_id, label="malignant", by="a", reason="", at=AT)
    decide(engine, item(1).review_id, label=None, by="a", reason="", at=AT)
    assert decided_labels(engine) == {item().image_id: "normal"}
