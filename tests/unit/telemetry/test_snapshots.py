import threading
import time

import pytest

from ml.telemetry.families import gauge
from ml.telemetry.snapshots import Snapshots
from tests.unit.telemetry.samples import samples


class SlowSource:
    """Answers when told to; counts how often it was asked."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked = 0

    def read(self):
        self.asked += 1
        self.answer.wait(20)
        return [gauge("slow", "Slow.", 1)]


class FailingSource:
    """Works until it is broken."""

    def __init__(self) -> None:
        self.broken = False

    def read(self):
        if self.broken:
            raise OSError("the disk is gone")
        return [gauge("failing", "Failing.", 1)]


def until(snapshots: Snapshots, name: str) -> dict[str, float]:
    deadline = time.monotonic() + 20
    while name not in (found := samples(snapshots.collect())):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_a_slow_source_holds_up_no_scrape_and_is_shown_once_it_is_read():
    slow = SlowSource()
    snapshots = Snapshots(
        {"slow": slow.read, "quick": lambda: [gauge("quick", "Quick.", 1)]}, patience=0.2
    )
    began = time.monotonic()
    found = until(snapshots, "quick")
    assert time.monotonic() - began < 5
    assert "slow" not in found
    assert "vigie_pipeline_read_success/slow" not in found
    slow.answer.set()
    assert until(snapshots, "slow")["vigie_pipeline_read_success/slow"] == 1
    assert slow.asked == 1


def test_a_source_that_took_long_rests_twenty_times_as_long():
    slow = SlowSource()
    snapshots = Snapshots({"slow": slow.read}, patience=0.0, rest=0.0)
    samples(snapshots.collect())
    time.sleep(0.3)
    slow.answer.set()
    until(snapshots, "slow")
    for _ in range(10):
        samples(snapshots.collect())
        time.sleep(0.02)
    assert slow.asked == 1


def test_what_was_just_read_is_not_read_again():
    asked = []
    snapshots = Snapshots({"a": lambda: asked.append(1) or []}, rest=60)
    samples(snapshots.collect())
    samples(snapshots.collect())
    assert len(asked) == 1


def test_a_failing_source_keeps_its_last_numbers_hides_no_other_and_says_so_once(caplog):
    source = FailingSource()
    snapshots = Snapshots(
        {"failing": source.read, "well": lambda: [gauge("well", "Well.", 1)]}, rest=0.0
    )
    before = until(snapshots, "failing")
    source.broken = True
    deadline = time.monotonic() + 20
    while (found := samples(snapshots.collect()))["vigie_pipeline_read_success/failing"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    samples(snapshots.collect())
    assert found["failing"] == found["well"] == 1
    assert found["vigie_pipeline_read_success/well"] == 1
    read_at = "vigie_pipeline_read_timestamp_seconds/failing"
    assert found[read_at] == pytest.approx(before[read_at], abs=5)
    assert [record.getMessage() for record in caplog.records] == [
        "metrics of failing cannot be read: OSError: the disk is gone"
    ]
