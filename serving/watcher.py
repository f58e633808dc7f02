"""Follows the source: loads what it names, swaps it in, and keeps the old one on any failure."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ml.contract.engine import EngineSetting
from ml.contract.errors import Unavailable, VigieError
from ml.contract.records import Role
from ml.contract.session import ModelSession
from serving.inference import warm_up
from serving.ledger_check import LedgerCheck
from serving.memory import give_memory_back
from serving.metrics import ServerMetrics
from serving.model_slot import LoadedModel, ModelSlot
from serving.shadow import yield_to_others
from serving.sources import Candidate, Source

_JITTER = 0.2
_FIRST_RETRY_SECONDS = 60.0
_LONGEST_RETRY_SECONDS = 3600.0
_DRAIN_SECONDS = 120.0
_STOP_SECONDS = 10.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rejected:
    bundle: str
    wait_seconds: float
    retry_at: float


class Watcher:
    """One thread that looks every `poll_seconds`, give or take a fifth, or when told to.

    Production's model goes on when the source names none any more; a canary or a shadow is dropped.
    """

    def __init__(
        self,
        source: Source,
        slot: ModelSlot,
        metrics: ServerMetrics,
        *,
        poll_seconds: float,
        engine: EngineSetting = "auto",
        streams: int = 1,
        role: Role = "production",
        ledger: LedgerCheck | None = None,
    ) -> None:
        """Follow `source`; `engine` and `streams` are those of `ModelSession.open`.

        Args:
            ledger: what confirms a registered version before it is loaded, if anything does.
        """
        self._source = source
        self._slot = slot
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._engine: EngineSetting = engine
        self._streams = streams
        self._role: Role = role
        self._ledger = ledger
        self._rejected: _Rejected | None = None
        self._trouble = ""
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._has_looked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watcher-{role}", daemon=True)

    def start(self) -> None:
        """Begin to look, now."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way; what takes long is left to end with the process."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(_STOP_SECONDS)

    def wait_for_first(self, seconds: float) -> bool:
        """Wait until a model answers, or one look found none or failed; False after `seconds`."""
        return self._has_looked.wait(seconds)

    def hint(self) -> None:
        """Look now rather than at the next poll."""
        self._woken.set()

    def load_last_good(self) -> None:
        """Serve what answered last, until the source is heard."""
        candidate = self._source.last_good()
        if candidate is not None:
            self._load(candidate)

    def look(self) -> bool:
        """Look once; True if another model has the role now, or none.

        Raises:
            VigieError: the source does not answer, or what it names cannot be loaded. The model
                that answered before still does.
        """
        candidate = self._source.look()
        self._metrics.see_source(self._role)
        if candidate is None:
            return self._find_none()
        if self._holds(candidate):
            self._accept()
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
        self._accept()
        return True

    def _holds(self, candidate: Candidate) -> bool:
        current = self._slot.current
        if current is None or current.identity != candidate.identity:
            return False
        if current.weight != candidate.weight:
            self._put(replace(current, weight=candidate.weight))
        return True

    def _load(self, candidate: Candidate) -> None:
        started = time.perf_counter()
        identity = candidate.identity
        if self._ledger is not None and candidate.alias is not None:  # a folder was not registered
            self._ledger.confirm(identity)
        folder = self._source.fetch(candidate)
        session = ModelSession.open(
            folder, engine=self._engine, streams=self._streams, expected_sha256=identity.bundle
        )
        warm_up(session)
        model = LoadedModel(
            session, identity, candidate.alias, datetime.now(UTC), self._role, candidate.weight
        )
        self._source.accept(candidate)
        before = self._put(model)
        if self._role != "shadow":
            self._metrics.reloads.inc()
        if self._role == "production":
            self._metrics.show_engines(session.choice)
        _logger.info(
            "model %s version %s (%s) %s now, loaded in %.1f s; before: %s",
            identity.name,
            identity.version,
            identity.bundle[:12],
            "answers" if self._role == "production" else f"is the {self._role}",
            time.perf_counter() - started,
            f"version {before.identity.version}" if before else "none",
        )
        _logger.info("%s", session.choice.sentence())
        self._drain(before)
        del before
        # Also after a first load: engines that were tried and refused leave much behind.
        give_memory_back()

    def _put(self, model: LoadedModel | None) -> LoadedModel | None:
        before = self._slot.swap(model)
        self._metrics.show_model(
            self._role, model.identity if model else None, model.weight if model else 0.0
        )
        return before

    def _drain(self, before: LoadedModel | None) -> None:
        if before is not None and not self._slot.wait_until_unused(before, _DRAIN_SECONDS):
            _logger.warning("version %s is still in use", before.identity.version)

    def _find_none(self) -> bool:
        if self._role == "production":
            self._say("the source names no model")
            return False
        self._accept()
        before = self._put(None)
        if before is None:
            return False
        _logger.info("version %s is no longer the %s", before.identity.version, self._role)
        self._drain(before)
        del before
        give_memory_back()
        return True

    def _must_wait(self, candidate: Candidate) -> bool:
        rejected = self._rejected
        return (
            rejected is not None
            and rejected.bundle == candidate.identity.bundle
            and time.monotonic() < rejected.retry_at
        )

    def _accept(self) -> None:
        """All is as the source wants it."""
        self._rejected = None
        self._metrics.show_rejected(self._role, rejected=False)
        self._say("")

    def _reject(self, candidate: Candidate) -> None:
        bundle, before = candidate.identity.bundle, self._rejected
        wait = _FIRST_RETRY_SECONDS
        if before is not None and before.bundle == bundle:
            wait = min(2 * before.wait_seconds, _LONGEST_RETRY_SECONDS)
        self._rejected = _Rejected(bundle, wait, time.monotonic() + wait)
        self._metrics.show_rejected(self._role, rejected=True)

    def _run(self) -> None:
        if self._role == "shadow":
            yield_to_others()  # what its engine starts inherits this
        if self._slot.current is None:
            self._guarded(self.load_last_good)
        if self._slot.current is not None:
            self._has_looked.set()
        while True:
            self._woken.clear()  # before the look, so that no word of a stop is lost
            if self._stopping.is_set():
                return
            self._guarded(self.look)
            self._has_looked.set()
            self._woken.wait(self._poll_seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311

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
        if self._role != "production":
            serving = f"{self._role}: {serving}"
        if trouble:
            _logger.warning("%s; %s", trouble, serving)
        else:
            _logger.info("the source is well again; %s", serving)
