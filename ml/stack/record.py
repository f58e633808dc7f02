"""What was started, as a file that survives the process that started it, and what of it lives."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from ml.stack.environment import MARK_VARIABLE


@dataclass(frozen=True, slots=True)
class Started:
    """One process; its start time tells it from a later one with the same pid."""

    name: str
    pid: int
    created: float

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.created) < 1
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One start of the stack: its mark, when (Unix seconds), and the processes."""

    mark: str
    started_at: float
    processes: list[Started]

    @property
    def supervisor(self) -> Started:
        """Honcho itself."""
        return self.processes[0]

    def write(self, path: Path) -> None:
        """Put it in place in one step."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(asdict(self), indent=2))
        temporary.replace(path)

    def living(self) -> list[psutil.Process]:
        """Every process of this start that still runs, orphans of dead parents included.

        Found as descendants of the recorded ones, as members of the recorded ones' sessions, and
        by the mark in the environment: no single sign holds for all, since Airflow's workers
        outlive their parent and overwrite their environment when they rename themselves.
        """
        sessions = {started.pid for started in self.processes if not _was_recycled(started)}
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            if process.pid != os.getpid() and self._is_member(process, sessions):
                found[process.pid] = process
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.update({child.pid: child for child in process.children(recursive=True)})
        found.pop(os.getpid(), None)
        return list(found.values())

    def _is_member(self, process: psutil.Process, sessions: set[int]) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if os.getsid(process.pid) in sessions:
                return True
            return process.environ().get(MARK_VARIABLE) == self.mark
        except (psutil.Error, OSError):
            return False


def read_record(path: Path) -> StackRecord | None:
    """The last start, or None if there was none or it was taken down."""
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    processes = [Started(**entry) for entry in values.pop("processes")]
    return StackRecord(processes=processes, **values)


def note(name: str, pid: int) -> Started:
    """Record a process that runs now."""
    return Started(name=name, pid=pid, created=psutil.Process(pid).create_time())


def _was_recycled(started: Started) -> bool:
    """Whether the pid has meanwhile gone to another process (and with it, maybe, a session)."""
    return psutil.pid_exists(started.pid) and not started.is_alive() and not _is_zombie(started)


def _is_zombie(started: Started) -> bool:
    try:
        return bool(psutil.Process(started.pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
