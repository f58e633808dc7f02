"""Requests that are due at chosen times, sent by the project's client and by its rules."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import httpx
import numpy as np

from ml.contract.errors import VigieError
from serving.client import Client
from serving.client_errors import NoAnswer, ServerBusy, ServerFailed

_CLIENTS = 64
_PATIENCE_SECONDS = 10.0
_ASKED_AGAIN = 20
_PAUSE_SECONDS = 0.5
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Reply:
    """One image: `due` on the monotonic clock, `seconds` from then to its answer.

    `stage` says what it took: `first` try, `retries` of the client by its own rules, or a person
    who asked `again` because the client may not repeat what may have been done. `request_id` is
    None and `stage` `never` where all that brought no answer. `fault` is why the first try failed.
    """

    due: float
    seconds: float
    stage: str
    request_id: str | None
    version: str | None
    fault: str | None


class BurstLoad:
    """Poisson arrivals at `rate` a second that wait for nobody, from entry until the block ends."""

    def __init__(self, url: str, files: list[bytes], rate: float, *, seed: int) -> None:
        self._files = files
        self._rate = rate
        self._rng = np.random.default_rng(seed)
        self._once = Client(url, retries=0)
        self._patient = Client(url, retries=3, patience=_PATIENCE_SECONDS)
        self._pool = ThreadPoolExecutor(_CLIENTS)
        self._clock = ThreadPoolExecutor(1)
        self._stopping = Event()
        self._sent: list[Future[Reply]] = []

    def __enter__(self) -> "BurstLoad":
        self._running = self._clock.submit(self._send)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._running.result()
        self._pool.shutdown()
        self._clock.shutdown()
        self._once.close()
        self._patient.close()

    @property
    def replies(self) -> list[Reply]:
        """What became of all requests, once the block has ended."""
        return [sent.result() for sent in self._sent]

    def _send(self) -> None:
        due = time.monotonic()
        while True:
            due += float(self._rng.exponential(1 / self._rate))
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                return
            image = self._files[len(self._sent) % len(self._files)]
            self._sent.append(self._pool.submit(self._ask, image, due))

    def _ask(self, image: bytes, due: float) -> Reply:
        try:
            return self._answered(self._once, image, due, "first", None)
        except VigieError as error:
            first = error
        fault = f"{type(first).__name__}: {first}"
        if _may_repeat(first):
            time.sleep(min(getattr(first, "retry_after", None) or 0.0, _PATIENCE_SECONDS))
            try:
                return self._answered(self._patient, image, due, "retries", fault)
            except VigieError as error:
                fault = f"{fault}; then {type(error).__name__}: {error}"
        for _ in range(_ASKED_AGAIN):
            try:
                return self._answered(self._patient, image, due, "again", fault)
            except (ServerBusy, ServerFailed, NoAnswer):
                time.sleep(_PAUSE_SECONDS)
        return Reply(due, time.monotonic() - due, "never", None, None, fault)

    def _answered(
        self, client: Client, image: bytes, due: float, stage: str, fault: str | None
    ) -> Reply:
        answer = client.predict(image)
        seconds = time.monotonic() - due
        return Reply(due, seconds, stage, answer.request_id, answer.model.version, fault)


def _may_repeat(error: VigieError) -> bool:
    """Whether `serving.client` would repeat the request that failed so."""
    if isinstance(error, NoAnswer):
        return isinstance(error.__cause__, _NEVER_SENT)
    return isinstance(error, ServerBusy)
