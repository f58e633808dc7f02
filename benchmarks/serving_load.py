"""Closed-loop load on one server, and what the server spends on it.

Runs in a process of its own, so that the measuring program costs the server's numbers nothing.
"""

import http.client
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import psutil

_FIRST_ANSWERS_SECONDS = 60.0
_TIMEOUT_SECONDS = 120.0
_REFUSED_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint: `bodies` are sent in turn, each one image."""

    port: int
    path: str
    headers: Mapping[str, str]
    bodies: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Load:
    """What one server did within a window of `seconds`.

    `cpu_ms` is the CPU time of the server and all its children per answered image; `refused`
    are answers 429, `errors` all that is neither them nor 200.
    """

    images: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int
    refused: int
    cpu_ms: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@dataclass(slots=True)
class _Client:
    """One connection's answers, as (when, seconds, status); status 0 is no answer."""

    target: Target
    first: int
    stopping: threading.Event
    answers: list[tuple[float, float, int]] = field(default_factory=list)

    def run(self) -> None:
        number = self.first
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.target.port, timeout=_TIMEOUT_SECONDS
        )
        while not self.stopping.is_set():
            body = self.target.bodies[number % len(self.target.bodies)]
            number += 1
            started = time.perf_counter()
            try:
                connection.request("POST", self.target.path, body, dict(self.target.headers))
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            now = time.perf_counter()
            self.answers.append((now, now - started, status))
            if status != HTTPStatus.OK:
                time.sleep(_REFUSED_PAUSE_SECONDS)
        connection.close()


def apply_loads(target: Target, pid: int, clients: Sequence[int], seconds: float) -> list[Load]:
    """Load `target`, whose process tree begins at `pid`, with each number of clients in turn.

    Args:
        clients: each client waits for an answer before it asks again.
        seconds: length of each measured window, which begins once every client is served.
    """
    return [_apply_load(target, pid, count, seconds) for count in clients]


def _apply_load(target: Target, pid: int, concurrency: int, seconds: float) -> Load:
    stopping = threading.Event()
    clients = [_Client(target, number, stopping) for number in range(concurrency)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    deadline = time.perf_counter() + _FIRST_ANSWERS_SECONDS
    while not all(client.answers for client in clients) and time.perf_counter() < deadline:
        time.sleep(0.01)
    started, cpu_before = time.perf_counter(), cpu_seconds(pid)
    time.sleep(seconds)
    ended, cpu_after = time.perf_counter(), cpu_seconds(pid)
    stopping.set()
    for thread in threads:
        thread.join()
    within = [answer for client in clients for answer in client.answers if answer[0] > started]
    within = [answer for answer in within if answer[0] <= ended]
    served = sorted(latency for _, latency, status in within if status == HTTPStatus.OK)
    refused = sum(status == HTTPStatus.TOO_MANY_REQUESTS for _, _, status in within)
    return Load(
        images=len(served),
        seconds=ended - started,
        p50_ms=1e3 * statistics.median(served) if served else float("nan"),
        p99_ms=1e3 * served[int(0.99 * (len(served) - 1))] if served else float("nan"),
        errors=len(within) - len(served) - refused,
        refused=refused,
        cpu_ms=1e3 * (cpu_after - cpu_before) / len(served) if served else float("nan"),
    )


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all that it started, as far as it still runs."""
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
