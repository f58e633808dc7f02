"""Follows the source: loads what it names, swaps it in, and keeps the old one on any failure."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ml.contract.errors import Unavailable, VigieError
from ml.contract.session import ModelSession
from serving.inference import warm_up
from serving.metrics import ServerMetrics
from serving.model_slot import LoadedModel, ModelSlot, give_memory_back
from serving.sources import Candidate, Source

_JITTER = 0.2
_FIRST_RETRY_SECONDS = 60.0
_LONGEST_RETRY_SECONDS = 3600.0
_DRAIN_SECONDS = 120.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rejected:
    bundle: str
    wait_seconds: float
    retry_at: float


class Watcher:
    """One thread that looks every `poll_seconds`, give or take a fifth."""

    def __init__(
        self, source: Source, slot: ModelSlot, metrics: ServerMetrics, *, poll_seconds: float
    ) -> None:
        self._source = source
        self._slot = slot
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._rejected: _Rejected | None = None
        self._trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to look, now."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
        self._thread.join()

    def load_last_good(self) -> None:
        """Serve what answered last, until the source is heard."""
        candidate = self._source.last_good()
        if candidate is not None:
            self._load(candidate)

    def look(self) -> bool:
        """Look once; True if another model answers now.

        Raises:
            VigieError: the source does not answer, or what it names cannot be loaded. The model
                that answered before still does.
        """
        candidate = self._source.look()
        if candidate is None:
            self._say("the source names no model")
            return False
        current = self._slot.current
        if current is not None and current.identity == candidate.identity:
            self._say("")
            return False
        if self._must_wait(candidate):
            return False
        try:
            self._load(candidate)
        except Unavailable:
            raise  # the next poll may do better
        except Exception:
            self._reject(candidate)
            raise
        self._rejected = None
        self._say("")
        return True

    def _load(self, candidate: Candidate) -> None:
        started = time.perf_counter()
        identity = candidate.identity
        folder = self._source.fetch(candidate)
        session = ModelSession.open(folder, expected_sha256=identity.bundle)
        warm_up(session)
        model = LoadedModel(session, identity, candidate.alias, datetime.now(UTC))
        self._source.accept(candidate)
        before = self._slot.swap(model)
        self._metrics.show_model(identity)
        _logger.info(
            "model %s version %s (%s) answers now, loaded in %.1f s; before: %s",
            identity.name,
            identity.version,
            identity.bundle[:12],
            time.perf_counter() - started,
            f"version {before.identity.version}" if before else "none",
        )
        if before is not None:
            if not self._slot.wait_until_unused(before, _DRAIN_SECONDS):
                _logger.warning("version %s is still in use", before.identity.version)
            del before
            give_memory_back()

    def _must_wait(self, candidate: Candidate) -> bool:
        rejected = self._rejected
        return (
            rejected is not None
            and rejected.bundle == candidate.identity.bundle
            and time.monotonic() < rejected.retry_at
        )

    def _reject(self, candidate: Candidate) -> None:
        bundle, before = candidate.identity.bundle, self._rejected
        wait = _FIRST_RETRY_SECONDS
        if before is not None and before.bundle == bundle:
            wait = min(2 * before.wait_seconds, _LONGEST_RETRY_SECONDS)
        self._rejected = _Rejected(bundle, wait, time.monotonic() + wait)

    def _run(self) -> None:
        if self._slot.current is None:
            self._guarded(self.load_last_good)
        while not self._stopping.is_set():
            self._guarded(self.look)
            self._stopping.wait(self._poll_seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except VigieError as error:
            self._metrics.reload_failures.labels(error.code).inc()
            self._say(str(error))
        except Exception as error:  # the watcher must live to see the repair
            self._metrics.reload_failures.labels("unexpected").inc()
            self._say(f"unexpected {type(error).__name__}: {error}")

    def _say(self, trouble: str) -> None:
        # One line when something changes, not one per poll.
        if trouble == self._trouble:
            return
        self._trouble = trouble
        current = self._slot.current
        serving = f"version {current.identity.version} goes on" if current else "no model answers"
        if trouble:
            _logger.warning("%s; %s", trouble, serving)
        else:
            _logger.info("the source is well again; %s", serving)
