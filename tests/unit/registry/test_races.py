"""Two who decide at the same moment: one wins, the other is told, and the ledger names the one."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine

from ml.contract.errors import PromotionConflict
from ml.registry import promotion
from ml.registry.models import PREVIOUS, PRODUCTION, point_alias, version_by_alias
from ml.registry.results import RegisteredVersion
from ml.registry.tracking import Tracker
from ml.store import ledger

Register = Callable[[str], RegisteredVersion]
_ROUNDS = 3

_PROMOTE = """
import sys, time
from ml.contract.errors import PromotionConflict
from ml.registry.models import version_by_number
from ml.registry.promotion import promote
from ml.registry.tracking import Tracker
from ml.store.database import open_database

tracking_uri, database_url, number = sys.argv[1:]
tracker, database = Tracker(tracking_uri), open_database(database_url)
version = version_by_number(tracker, number)
print("ready", flush=True)
sys.stdin.readline()
try:
    promote(tracker, database, version, incumbent="1", actor=f"ops-{number}", reason="race",
            evidence={})
    print("won")
except PromotionConflict as conflict:
    print(conflict.message)
"""


def outcomes(*calls: Callable[[], object]) -> list[str]:
    """What became of calls that start together: `won`, or what the loser was told."""
    together = Barrier(len(calls))

    def run(call: Callable[[], object]) -> str:
        together.wait()
        try:
            call()
        except PromotionConflict as conflict:
            return conflict.message
        return "won"

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(run, calls))


@pytest.fixture
def versions(tracker: Tracker, register: Register) -> list[RegisteredVersion]:
    """Four versions, the first of them in production."""
    made = [register(f"weekly-{number}") for number in (1, 2, 3, 4)]
    point_alias(tracker, PRODUCTION, "1")
    return made


def number(tracker: Tracker, alias: str) -> str | None:
    version = version_by_alias(tracker, alias)
    return version.version if version else None


def test_of_threads_that_promote_one_wins(
    tracker: Tracker, database: Engine, versions: list[RegisteredVersion]
) -> None:
    def promoting(version: RegisteredVersion) -> Callable[[], object]:
        return lambda: promotion.promote(
            tracker,
            database,
            version,
            incumbent="1",
            actor=f"ops-{version.version}",
            reason="race",
            evidence={},
        )

    told = outcomes(*map(promoting, versions[1:]))
    assert told.count("won") == 1
    [line] = ledger.read(database)
    assert line.subject == f"vigie/{number(tracker, PRODUCTION)}"
    assert (
        told[0]
        == told[1]
        == (f"Production is version {number(tracker, PRODUCTION)}, but the gates compared with 1.")
    )
    assert number(tracker, PREVIOUS) == "1"


def test_of_processes_that_promote_one_wins(
    tracker: Tracker, database: Engine, versions: list[RegisteredVersion]
) -> None:
    url = database.url.render_as_string(hide_password=False)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _PROMOTE, tracker.tracking_uri, url, version.version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for version in versions[1:3]
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)
    assert told[1] == "won"
    assert "but the gates compared with 1" in told[0]
    assert [line.subject for line in ledger.read(database)] == [
        f"vigie/{number(tracker, PRODUCTION)}"
    ]


def test_of_threads_that_roll_back_one_wins_and_the_swap_is_not_undone(
    tracker: Tracker, database: Engine, versions: list[RegisteredVersion]
) -> None:
    point_alias(tracker, PREVIOUS, "2")
    leaving, back = "1", "2"
    for _ in range(_ROUNDS):

        def swap(leaving: str = leaving) -> object:
            return promotion.rollback(
                tracker, database, expected=leaving, actor="ops", reason="race"
            )

        told = outcomes(swap, swap)
        assert told == [f"Production is version {back}, no longer {leaving}.", "won"]
        assert (number(tracker, PRODUCTION), number(tracker, PREVIOUS)) == (back, leaving)
        leaving, back = back, leaving
    assert len(ledger.read(database)) == _ROUNDS
