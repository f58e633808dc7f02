import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from ml.settings import PROJECT_ROOT
from ml.stack.keep import keep


def counting(path):
    """A command that adds a line to a file and ends."""
    return [sys.executable, "-c", f"open({str(path)!r}, 'a').write('ran\\n')"]


def test_what_ended_is_started_again(tmp_path):
    file, stopping = tmp_path / "runs", threading.Event()
    thread = threading.Thread(
        target=keep, args=(counting(file), stopping), kwargs={"first_pause": 0.01}
    )
    thread.start()
    deadline = time.monotonic() + 20
    while not file.exists() or len(file.read_text().splitlines()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stopping.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def kept():
    """A keeper of a process that would run for long."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ml.stack.keep",
            sys.executable,
            "-c",
            "import time; time.sleep(99)",
        ],
        cwd=PROJECT_ROOT,
    )
    yield process
    process.kill()
    process.wait()


def child_of(process, *, other_than=None):
    deadline = time.monotonic() + 20
    while True:
        children = [
            child for child in psutil.Process(process.pid).children() if child != other_than
        ]
        if children:
            return children[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_child_comes_back_and_sigterm_ends_both(kept):
    first = child_of(kept)
    os.kill(first.pid, signal.SIGKILL)

    second = child_of(kept, other_than=first)
    kept.terminate()

    assert kept.wait(10) == 0
    assert not second.is_running()
