from datetime import timedelta

import pytest
from sqlalchemy import Engine

from ml.contract.records import ReviewItem
from ml.store.review_images import (
    KeptImage,
    forget_expired,
    forget_images,
    keep_image,
    mark_checked,
    read_kept,
    read_pixels,
)
from ml.store.review_queue import queue_id, read_queue, replace_unseen
from tests.unit.store.examples import NOON

PNG = b"\x89PNG" + bytes(96)


def image(number: int, **changes: object) -> KeptImage:
    values: dict[str, object] = {
        "image_id": f"{number:064x}",
        "request_id": f"r{number}",
        "at": NOON,
        "until": NOON + timedelta(days=14),
        "share": "sample",
        "priority": number / 10,
    }
    return KeptImage(**(values | changes))  # type: ignore[arg-type]


def keep(engine: Engine, *images: KeptImage, per_day: int = 2, max_bytes: int = 10_000) -> float:
    return [keep_image(engine, one, PNG, per_day=per_day, max_bytes=max_bytes) for one in images][
        -1
    ]


def listed(number: int) -> ReviewItem:
    image_id = f"{number:064x}"
    return ReviewItem(
        review_id=queue_id(image_id),
        image_id=image_id,
        kind="random",
        evidence={"day": "2026-03-01"},
        since=NOON,
    )


def numbers(engine: Engine) -> list[int]:
    return [int(one.image_id, 16) for one in read_kept(engine)]


def test_the_highest_of_a_day_and_share_stay(engine: Engine) -> None:
    assert keep(engine, image(3)) == float("-inf")
    assert keep(engine, image(1), image(5)) == 0.3
    assert numbers(engine) == [3, 5]
    keep(engine, image(2, share="outlier"), image(4, at=NOON + timedelta(days=1)))
    assert numbers(engine) == [2, 3, 5, 4]


def test_an_image_is_kept_once(engine: Engine) -> None:
    keep(engine, image(1), image(1, priority=0.9), image(1, share="outlier"))
    assert read_kept(engine) == [image(1)]
    assert read_pixels(engine, image(1).image_id) == PNG


def test_what_a_person_is_asked_about_gives_way_to_nothing(engine: Engine) -> None:
    keep(engine, image(1), image(2))
    replace_unseen(engine, withdrawn=[], added=[listed(1)])
    keep(engine, image(8), image(9))
    assert numbers(engine) == [1, 8, 9]


def test_there_is_a_bound_in_all(engine: Engine) -> None:
    assert keep(engine, image(1), image(2), max_bytes=150) == float("inf")
    assert numbers(engine) == [1]


def test_pixels_end_with_their_time_and_the_question_with_them(engine: Engine) -> None:
    keep(engine, image(1), image(2, until=NOON + timedelta(days=1)))
    replace_unseen(engine, withdrawn=[], added=[listed(1), listed(2)])
    assert forget_expired(engine, NOON) == 0
    assert forget_expired(engine, NOON + timedelta(days=2)) == 1
    assert numbers(engine) == [1]
    states = {int(item.image_id, 16): item.state for item in read_queue(engine)}
    assert states == {1: "open", 2: "expired"}


def test_images_are_marked_and_forgotten_by_id(engine: Engine) -> None:
    keep(engine, image(1), image(2))
    mark_checked(engine, [image(1).image_id])
    assert [one.checked for one in read_kept(engine)] == [True, False]
    forget_images(engine, [image(1).image_id, "unknown"])
    assert numbers(engine) == [2]
    assert read_pixels(engine, image(1).image_id) is None


def test_deleted_pixels_are_overwritten_on_sqlite(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL leaves that to its vacuum")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
