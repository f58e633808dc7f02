from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import StatementError

from ml.contract.records import ModelIdentity
from ml.store.predictions import count_predictions, insert_predictions, read_predictions
from tests.unit.store.examples import NOON, prediction


def test_a_record_comes_back_as_it_was_stored(engine: Engine) -> None:
    record = prediction("r1", site="north", scanner="Aster 3", embedding=[1 / 3, 1e-300, -0.0])
    insert_predictions(engine, [record])
    assert read_predictions(engine) == [record]


def test_the_order_of_labels_is_kept(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1", probabilities={"z": 0.5, "a": 0.25, "m": 0.25})])
    assert list(read_predictions(engine)[0].probabilities) == ["z", "a", "m"]


def test_times_come_back_aware_and_in_utc(engine: Engine) -> None:
    paris = timezone(timedelta(hours=1))
    local = datetime(2026, 3, 1, 0, 30, 0, 123456, tzinfo=paris)
    insert_predictions(engine, [prediction("r1", at=local)])
    stored = read_predictions(engine)[0].at
    assert stored == local
    assert stored.utcoffset() == timedelta(0)


def test_a_time_without_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="without time zone"):
        read_predictions(engine, since=NOON.replace(tzinfo=None))


def test_storing_a_record_again_changes_nothing(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1"), prediction("r2")])
    insert_predictions(engine, [prediction("r2", label="normal"), prediction("r3")])
    stored = {record.request_id: record.label for record in read_predictions(engine)}
    assert stored == dict.fromkeys(("r1", "r2", "r3"), "malignant")


def test_the_same_record_twice_in_one_call_is_stored_once(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1"), prediction("r1")])
    assert count_predictions(engine) == 1


def test_storing_nothing_is_fine(engine: Engine) -> None:
    insert_predictions(engine, [])
    assert read_predictions(engine) == []


def test_a_window_holds_its_start_but_not_its_end(engine: Engine) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(4)]
    insert_predictions(engine, [prediction(f"r{n}", at=at) for n, at in enumerate(hours)])
    window = read_predictions(engine, since=hours[1], until=hours[3])
    assert [record.request_id for record in window] == ["r1", "r2"]
    assert count_predictions(engine, since=hours[1], until=hours[3]) == 2


def test_a_limit_keeps_the_newest_oldest_first(engine: Engine) -> None:
    records = [prediction(f"r{n}", at=NOON + timedelta(minutes=n)) for n in range(5)]
    insert_predictions(engine, records)
    assert [record.request_id for record in read_predictions(engine, limit=2)] == ["r3", "r4"]


def test_one_model_version_can_be_asked_for(engine: Engine) -> None:
    other = ModelIdentity(name="vigie", version="4", bundle="ef" * 32)
    insert_predictions(engine, [prediction("r1"), prediction("r2", model=other)])
    assert [r.request_id for r in read_predictions(engine, model_version="4")] == ["r2"]
    assert count_predictions(engine, model_version="3") == 1


def test_more_records_than_one_fetch_arrive_complete_and_in_order(engine: Engine) -> None:
    records = [prediction(f"r{n:04}", at=NOON + timedelta(seconds=n)) for n in range(1201)]
    insert_predictions(engine, records)
    assert read_predictions(engine) == records


def test_writers_side_by_side_lose_nothing(engine: Engine) -> None:
    def write(writer: int) -> None:
        for n in range(10):
            insert_predictions(engine, [prediction(f"w{writer}-{n}"), prediction(f"shared-{n}")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert count_predictions(engine) == 50
