"""Start the local stack, stop it to the last process, and tell how it is."""

import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ml.stack.config import StackConfig
from ml.stack.environment import stack_environment
from ml.stack.errors import StackFailed
from ml.stack.health import probe
from ml.stack.migration import migrate_airflow
from ml.stack.ports import require_free_ports
from ml.stack.procfile import commands, log_path, pid_path, write_procfile
from ml.stack.record import StackRecord, note, read_record
from ml.stack.services import require_services

log = logging.getLogger(__name__)

OnState = Callable[[str, str], None]
"""Told (part, state) as parts go from `starting` to `ready`."""


@dataclass(frozen=True, slots=True)
class StackStatus:
    """Part → pid (None when dead), and part → healthy."""

    pids: dict[str, int | None]
    healthy: dict[str, bool]

    @property
    def is_running(self) -> bool:
        """Whether any part lives."""
        return any(pid is not None for pid in self.pids.values())

    @property
    def is_healthy(self) -> bool:
        """Whether all parts answer and call themselves healthy."""
        return bool(self.pids) and all(self.healthy.get(name, False) for name in self.pids)


def up(config: StackConfig, *, on_state: OnState, patience: float = 180.0) -> StackRecord:
    """Start everything and wait until all parts are healthy; a running stack is left as it is.

    Raises:
        PortTaken, ServiceMissing, Unavailable: before anything is started.
        StackFailed: a part died or was not healthy after `patience` seconds; all are stopped.
    """
    with _locked(config):
        record = read_record(config.run / "stack.json")
        if record is None or not record.supervisor.is_alive():
            if record is not None:
                _stop(record, grace=5)
            record = _start(config, on_state)
        try:
            _wait_until_healthy(config, record, on_state, patience)
        except (StackFailed, KeyboardInterrupt):
            _take_down(config, record, grace=5)
            raise
    return record


def down(config: StackConfig, *, grace: float = 5.0) -> int:
    """Stop every process that `up` brought forth; returns how many. Idempotent.

    Raises:
        StackFailed: one survived even SIGKILL.
    """
    with _locked(config):
        record = read_record(config.run / "stack.json")
        return 0 if record is None else _take_down(config, record, grace)


def status(config: StackConfig) -> StackStatus:
    """Which parts run and which call themselves healthy."""
    record = read_record(config.run / "stack.json")
    if record is None:
        return StackStatus(pids={}, healthy={})
    parts = record.processes[1:]
    return StackStatus(
        pids={part.name: part.pid if part.is_alive() else None for part in parts},
        healthy=_health(config, record),
    )


@contextlib.contextmanager
def _locked(config: StackConfig) -> Iterator[None]:
    config.run.mkdir(parents=True, exist_ok=True)
    with (config.run / "stack.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StackFailed(
                f"Another command is starting or stopping the stack in {config.home}.",
                remedy="Wait until it has finished.",
            ) from error
        yield


def _start(config: StackConfig, on_state: OnState) -> StackRecord:
    require_free_ports(config)
    for folder in (config.landing, config.logs, config.airflow_home, config.home / "mlflow"):
        if isinstance(folder, Path):  # the landing zone may be in a bucket
            folder.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    environment = stack_environment(config, base=os.environ, mark=mark)
    require_services(config)
    on_state("airflow database", "starting")
    migrate_airflow(config, environment)
    on_state("airflow database", "ready")
    names = list(commands(config))
    for name in names:
        pid_path(config, name).unlink(missing_ok=True)
    procfile = write_procfile(config)
    with log_path(config, "honcho").open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "honcho", "start", "--no-colour", "-f", str(procfile)],
            cwd=config.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = [note("honcho", supervisor.pid)]
    record_path = config.run / "stack.json"
    # Written twice, so that an interruption in between leaves nothing that `down` cannot find.
    StackRecord(mark, time.time(), started).write(record_path)
    started += [note(name, _pid_of(config, name, supervisor)) for name in names]
    record = StackRecord(mark, time.time(), started)
    record.write(record_path)
    return record


def _pid_of(config: StackConfig, name: str, supervisor: subprocess.Popen[bytes]) -> int:
    path = pid_path(config, name)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and supervisor.poll() is None:
        text = path.read_text().strip() if path.exists() else ""
        if text and psutil.pid_exists(int(text)):
            return int(text)
        time.sleep(0.05)
    raise StackFailed(
        f"{name} did not start.", remedy=f"See {log_path(config, name)}, or run `make down`."
    )


def _wait_until_healthy(
    config: StackConfig, record: StackRecord, on_state: OnState, patience: float
) -> None:
    deadline = time.monotonic() + patience
    ready: dict[str, bool] = {}
    for part in record.processes[1:]:
        on_state(part.name, "starting")
    while True:
        ready = _health(config, record)
        for name, healthy in ready.items():
            if healthy:
                on_state(name, "ready")
        if all(ready.values()):
            return
        for part in record.processes[1:]:
            if not part.is_alive():
                on_state(part.name, "failed")
                raise StackFailed(f"{part.name} stopped.{_tail(config, part.name)}")
        if time.monotonic() > deadline:
            missing = [name for name, healthy in ready.items() if not healthy]
            raise StackFailed(
                f"{', '.join(missing)} did not become healthy within {patience:.0f} s."
                f"{_tail(config, missing[0])}"
            )
        time.sleep(0.5)


def _health(config: StackConfig, record: StackRecord) -> dict[str, bool]:
    # A part that listens nowhere is well as long as it runs.
    return {part.name: part.is_alive() for part in record.processes[1:]} | probe(config)


def _tail(config: StackConfig, name: str, lines: int = 12) -> str:
    path = log_path(config, name)
    if not path.exists():
        return ""
    last = path.read_text(errors="replace").splitlines()[-lines:]
    return f" The end of {path}:\n" + "\n".join(last)


def _take_down(config: StackConfig, record: StackRecord, grace: float) -> int:
    stopped = _stop(record, grace)
    (config.run / "stack.json").unlink(missing_ok=True)
    for part in record.processes[1:]:
        pid_path(config, part.name).unlink(missing_ok=True)
    log.info("stopped %d processes", stopped)
    return stopped


def _stop(record: StackRecord, grace: float) -> int:
    asked = record.living()
    for process in asked:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(asked, timeout=grace)
    count = len(asked)
    for _ in range(3):  # a process may fork between being listed and being killed
        left = record.living()
        if not left:
            return count
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)
    left = record.living()
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise StackFailed(f"Processes {pids} would not stop.")
    return count
