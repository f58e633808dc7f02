import io
from datetime import UTC, date, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from ml.contract.errors import Unavailable
from ml.store.prediction_archive import delete_day, find_in_file, oldest_day, write_day
from ml.store.predictions import insert_predictions, read_predictions
from tests.unit.store.examples import prediction

DAY = date(2026, 3, 1)
MORNING = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def log(engine):
    """Four answers and a shadow's of a day, and one at the start of the next."""
    insert_predictions(
        engine,
        [
            prediction("late", at=MORNING + timedelta(hours=23, minutes=59, seconds=59)),
            prediction("first", at=MORNING, site="north", disagreement=0.25),
            prediction("other", at=MORNING + timedelta(hours=2), image_id="ef" * 32),
            prediction("same", at=MORNING + timedelta(hours=3)),
            prediction("shadowed", at=MORNING, role="shadow", shadow_of="first"),
            prediction("next", at=MORNING + timedelta(days=1)),
        ],
    )
    return engine


def written(engine, day=DAY):
    file = io.BytesIO()
    rows = write_day(engine, day, file)
    return rows, io.BytesIO(file.getvalue())


def test_a_day_goes_from_midnight_to_midnight_with_shadows_oldest_first(log):
    rows, file = written(log)
    assert rows == 5
    table = pq.read_table(file)
    assert table["request_id"].to_pylist() == ["first", "shadowed", "other", "same", "late"]
    assert set(table["role"].to_pylist()) == {"production", "shadow"}


def test_what_is_read_back_is_what_was_logged(log):
    _, file = written(log)
    archived = find_in_file(file, image_id=None, request_id=None)
    until = MORNING + timedelta(days=1)
    assert archived == read_predictions(log, until=until)


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ({"image_id": "ef" * 32, "request_id": None}, ["other"]),
        ({"image_id": "ab" * 32, "request_id": None}, ["first", "same", "late"]),
        ({"image_id": None, "request_id": "same"}, ["same"]),
        ({"image_id": None, "request_id": "shadowed"}, []),
        ({"image_id": None, "request_id": "next"}, []),
    ],
)
def test_answers_are_found_by_image_and_by_request(log, question, answers):
    _, file = written(log)
    assert [record.request_id for record in find_in_file(file, **question)] == answers


def test_the_same_rows_give_the_same_bytes(log):
    assert written(log)[1].getvalue() == written(log)[1].getvalue()


def test_a_day_without_answers_writes_nothing(log):
    rows, file = written(log, DAY - timedelta(days=1))
    assert rows == 0
    assert file.getvalue() == b""


def test_the_oldest_day_is_that_of_the_oldest_answer(engine):
    assert oldest_day(engine) is None
    insert_predictions(engine, [prediction("a", at=MORNING), prediction("b")])
    assert oldest_day(engine) == DAY


def test_a_day_is_deleted_whole_and_no_other(log):
    delete_day(log, DAY, rows=5)
    assert [record.request_id for record in read_predictions(log)] == ["next"]


@pytest.mark.parametrize("archived", [4, 6])
def test_nothing_is_deleted_if_other_rows_were_archived_than_there_are(log, archived):
    with pytest.raises(Unavailable, match=f"has 5 answers, {archived} of them"):
        delete_day(log, DAY, rows=archived)
    assert len(read_predictions(log)) == 5
