import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ml.contract.errors import Unavailable
from ml.store.database import open_database, reading
from ml.store.exclusive import exclusive

_HOLD = """
import sys, time
from ml.store.database import open_database
from ml.store.exclusive import exclusive
with exclusive(open_database(sys.argv[1]), "store"):
    print("held", flush=True)
    time.sleep(60)
"""


def _acquire(url: str, acquired: threading.Event) -> threading.Thread:
    def wait() -> None:
        with exclusive(open_database(url), "store"):
            acquired.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_holders_wait_for_each_other(empty_url: str) -> None:
    acquired = threading.Event()
    with exclusive(open_database(empty_url), "store"):
        thread = _acquire(empty_url, acquired)
        assert not acquired.wait(0.5)
    assert acquired.wait(10)
    thread.join()


def test_another_lock_is_another(empty_url: str) -> None:
    with (
        exclusive(open_database(empty_url), "store"),
        exclusive(open_database(empty_url), "ledger"),
    ):
        pass


def test_a_killed_holder_lets_go(empty_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, empty_url],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    acquired = threading.Event()
    _acquire(empty_url, acquired)
    assert not acquired.wait(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert acquired.wait(20)


def test_an_error_inside_lets_go(engine: Engine) -> None:
    with pytest.raises(ValueError, match="inside"), exclusive(engine, "store"):
        raise ValueError("inside")
    with exclusive(engine, "store"):
        pass


def test_the_database_is_free_meanwhile(engine: Engine) -> None:
    with exclusive(engine, "store"), reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_lock_that_was_lost_is_told(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("a file's lock is lost with its holder alone")
    with exclusive(engine, "store"), engine.connect() as other:
        other.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        )
        time.sleep(0.2)
    assert "lock was lost" in caplog.text
    with exclusive(engine, "store"):
        pass


def test_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    away = open_database(f"postgresql://postgres@/postgres?host={tmp_path}")
    with pytest.raises(Unavailable), exclusive(away, "store"):
        pass
