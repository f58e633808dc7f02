"""The shadow: a model that sees what production answered and answers nobody."""

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ml.contract.decoding import DecodeLimits
from ml.contract.records import Channel
from serving.answers import Answer, Origin, new_id, record_of
from serving.errors import NoModel
from serving.inference import Finding, examine_file
from serving.metrics import ServerMetrics
from serving.model_slot import ModelSlot
from serving.prediction_log import PredictionLog

_PATIENCE_SECONDS = 1.0
_PAUSE_SECONDS = 0.005
_LEAST_PRIORITY = 19
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShadowImage:
    """An image that production answered: its file, the request, and what was found."""

    data: bytes
    request_id: str
    channel: Channel
    origin: Origin
    finding: Finding
    critical_label: str


def yield_to_others() -> None:
    """Give the calling thread, and those it starts, the least share of the processor.

    Only Linux has priorities by thread; elsewhere nothing changes.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LEAST_PRIORITY)


class ShadowScorer:
    """Scores images with the model in `slot` while the server has capacity to spare. Thread-safe.

    One thread of the least priority; one image waits at most, so memory is bounded by two files.
    What comes while one waits, or waits a second without a moment of spare capacity, is dropped
    and counted.
    """

    def __init__(
        self,
        slot: ModelSlot,
        log: PredictionLog,
        metrics: ServerMetrics,
        *,
        limits: DecodeLimits,
        has_room: Callable[[], bool],
    ) -> None:
        """`has_room` tells whether a worker has nothing to do."""
        self._slot = slot
        self._log = log
        self._metrics = metrics
        self._limits = limits
        self._has_room = has_room
        self._waiting: queue.Queue[ShadowImage | None] = queue.Queue(maxsize=1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin to score."""
        self._thread.start()

    def stop(self) -> None:
        """End after the image under way; one that waits is dropped."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join()

    def offer(self, image: ShadowImage) -> None:
        """Take the image if there is a shadow and nothing waits; returns at once."""
        model = self._slot.current
        if model is None:
            return
        try:
            self._waiting.put_nowait(image)
        except queue.Full:
            self._count(model.identity.version, "dropped")

    def _run(self) -> None:
        yield_to_others()
        while (image := self._waiting.get()) is not None:
            try:
                self._score(image)
            except NoModel:
                continue  # withdrawn in this moment
            except Exception as error:  # a shadow's faults are its own, and one image's end
                _logger.warning("the shadow did not score an image: %s", type(error).__name__)

    def _score(self, image: ShadowImage) -> None:
        with self._slot.lease() as model:
            version = model.identity.version
            if not self._room_comes():
                self._count(version, "dropped")
                return
            try:
                finding = examine_file(image.data, model.session, self._limits, explain=False)
            except Exception:
                self._count(version, "failed")
                raise
        self._count(version, _comparison(finding, image))
        answer = Answer(
            new_id(),
            model.identity,
            finding,
            finding.seconds,
            role="shadow",
            shadow_of=image.request_id,
        )
        self._metrics.see_answer(
            "shadow", version, answer.seconds, stopped_early=finding.stopped_early
        )
        self._log.record_now(record_of(answer, image.channel, image.origin))

    def _room_comes(self) -> bool:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._has_room():
            if time.monotonic() > deadline or self._stopping.wait(_PAUSE_SECONDS):
                return False
        return not self._stopping.is_set()

    def _count(self, version: str, outcome: str) -> None:
        self._metrics.shadow_images.labels(version, outcome).inc()


def _comparison(finding: Finding, image: ShadowImage) -> str:
    mine, theirs = finding.decision.label, image.finding.decision.label
    if (mine == image.critical_label) != (theirs == image.critical_label):
        return "critical_disagreed"
    return "agreed" if mine == theirs else "disagreed"
