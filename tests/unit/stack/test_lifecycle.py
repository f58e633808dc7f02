import subprocess
import sys
import time

import psutil
import pytest

from ml.stack.errors import PortTaken, StackFailed
from ml.stack.lifecycle import down, status, up
from ml.stack.record import StackRecord, note

STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(60)",
]


@pytest.fixture
def stubborn(config):
    """A recorded stack of one process that ignores SIGTERM."""
    process = subprocess.Popen(STUBBORN, stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    config.run.mkdir(parents=True)
    record = StackRecord("m", time.time(), [note("honcho", process.pid)])
    record.write(config.run / "stack.json")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_down_stops_even_what_ignores_sigterm(config, stubborn):
    assert down(config, grace=0.2) == 1
    assert not psutil.pid_exists(stubborn.pid)
    assert not (config.run / "stack.json").exists()


def test_down_twice_is_down(config, stubborn):
    down(config, grace=0.2)

    assert down(config) == 0


def test_without_a_stack_nothing_runs(config):
    found = status(config)

    assert not found.is_running
    assert not found.is_healthy


def test_a_dead_part_is_seen(config):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    config.run.mkdir(parents=True)
    parts = [note("honcho", process.pid), note("server", process.pid)]
    StackRecord("m", time.time(), parts).write(config.run / "stack.json")
    assert status(config).pids == {"server": process.pid}

    process.communicate(b"\n")

    assert status(config).pids == {"server": None}


def test_a_taken_port_is_told_before_anything_starts(config):
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", config.server_port))
        holder.listen()
        with pytest.raises(PortTaken):
            up(config, on_state=lambda part, state: None)

    assert not (config.run / "stack.json").exists()


def test_two_commands_at_once_do_not_mix(config):
    import fcntl

    config.run.mkdir(parents=True)
    with (config.run / "stack.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StackFailed, match="Another command"):
            down(config)
