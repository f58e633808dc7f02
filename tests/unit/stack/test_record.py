import os
import subprocess
import sys
import time

import psutil
import pytest

from ml.stack.environment import MARK_VARIABLE
from ml.stack.record import StackRecord, Started, note, read_record

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
# Dies at once and leaves a child behind, as Airflow's scheduler does with its workers.
LEAVE_AN_ORPHAN = [
    sys.executable,
    "-c",
    f"import subprocess; subprocess.Popen({SLEEP!r}, env={{}})",
]


@pytest.fixture
def start():
    """Start processes that end with the test."""
    started = []

    def run(command, *, mark=""):
        environment = {**os.environ, MARK_VARIABLE: mark}
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        started.append(process)
        return process

    yield run
    for process in started:
        for member in psutil.process_iter():
            try:
                if os.getsid(member.pid) == process.pid:
                    member.kill()
            except (psutil.Error, OSError):
                continue
        process.wait(5)


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pids(record):
    return {process.pid for process in record.living()}


def test_a_record_survives_its_writer(tmp_path):
    record = StackRecord("m", 1.0, [note("honcho", os.getpid())])

    record.write(tmp_path / "stack.json")

    assert read_record(tmp_path / "stack.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_without_a_file_there_is_no_record(tmp_path):
    assert read_record(tmp_path / "stack.json") is None


def test_a_process_is_known_by_pid_and_start_time(start):
    process = start(SLEEP)
    noted = note("server", process.pid)

    assert noted.is_alive()
    assert not Started("server", process.pid, noted.created - 100).is_alive()

    process.kill()
    process.wait()
    assert not noted.is_alive()


def test_orphans_are_found_by_their_session(start):
    leader = start(LEAVE_AN_ORPHAN)
    record = StackRecord("another", 0.0, [Started("scheduler", leader.pid, time.time())])
    leader.wait(10)

    wait_until(lambda: pids(record))

    assert leader.pid not in pids(record)


def test_processes_are_found_by_the_mark_in_their_environment(start):
    process = start(SLEEP, mark="stack-test-mark")
    record = StackRecord("stack-test-mark", 0.0, [Started("gone", 2**22 - 1, 0.0)])

    wait_until(lambda: process.pid in pids(record))


def test_another_process_with_a_recycled_pid_is_left_alone(start):
    process = start(SLEEP)
    earlier = Started("server", process.pid, psutil.Process(process.pid).create_time() - 100)

    assert pids(StackRecord("another", 0.0, [earlier])) == set()
