import logging

import pytest

from ml.data import pace
from ml.data.pace import Pace


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A clock that goes on by a second whenever it is looked at."""
    caplog.set_level(logging.INFO)
    ticks = iter(range(100_000))
    monkeypatch.setattr(pace.time, "monotonic", lambda: float(next(ticks)))


@pytest.mark.usefixtures("seconds")
def test_rate_and_time_left_are_told_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    going = Pace("Shard 3", 5000)
    for _ in range(25):
        going.step()
    assert caplog.messages == [
        "Shard 3: 10 of 5000 files, 1.0 a second, about 1 h 23 min left.",
        "Shard 3: 20 of 5000 files, 1.0 a second, about 1 h 23 min left.",
    ]


@pytest.mark.usefixtures("seconds")
def test_the_last_minutes_are_told_to_the_second(caplog: pytest.LogCaptureFixture) -> None:
    going = Pace("Shard 0", 85)
    for _ in range(10):
        going.step()
    assert caplog.messages == ["Shard 0: 10 of 85 files, 1.0 a second, about 1 min 15 s left."]


@pytest.mark.usefixtures("seconds")
def test_without_a_total_no_time_is_foretold(caplog: pytest.LogCaptureFixture) -> None:
    going = Pace("Listing")
    for _ in range(12):
        going.step()
    assert caplog.messages == ["Listing: 10 files, 1.0 a second."]


def test_a_short_task_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    going = Pace("Shard 0", 3)
    for _ in range(3):
        going.step()
    assert caplog.messages == []
