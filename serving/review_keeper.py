"""Keeps the pixels of a few answered images, so that a person can be asked about them."""

import io
import logging
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from PIL import Image
from sqlalchemy import Engine

from ml.contract.decoding import DecodeLimits, Pixels, decode, is_dicom
from ml.contract.doubt import chance, doubts
from ml.contract.errors import VigieError
from ml.store.review_images import KeptImage, Share, forget_expired, keep_image
from serving.inference import Finding
from serving.metrics import ServerMetrics
from serving.shadow import yield_to_others

MAX_PIXELS = 4_194_304
"""Larger images are not kept: they would take too much memory beside the answers."""

_FORGET_EVERY_SECONDS = 600.0
_FORGET_AGAIN_SECONDS = 5.0
_STOP_SECONDS = 10.0
_REMEMBERED = 4096
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Offered:
    """An answered image's file, and what it may be kept for, with its priority there."""

    data: bytes
    request_id: str
    image_id: str
    at: datetime
    shares: dict[Share, float]


class ReviewKeeper:
    """Thread-safe. One thread of the least priority; one image waits at most, so memory is bounded
    by two files and one decoded image. Answers never wait for it, and none fails because of it.

    What is kept are pixels, encoded anew: nothing of the file but them.
    """

    def __init__(
        self,
        database: Engine,
        metrics: ServerMetrics,
        *,
        limits: DecodeLimits,
        per_day: int,
        days: int,
        max_bytes: int,
        text: Literal["refuse", "accept"],
    ) -> None:
        """`per_day` images of each reason are kept for `days`, in `max_bytes` at most; see
        `serving.settings`."""
        self._database = database
        self._metrics = metrics
        self._limits = limits
        self._per_day = per_day
        self._kept_for = timedelta(days=days)
        self._max_bytes = max_bytes
        self._refuses_text = text == "refuse"
        self._seen: dict[str, None] = {}
        self._floors: dict[tuple[date, Share], float] = {}
        self._waiting: queue.Queue[_Offered | None] = queue.Queue(maxsize=1)
        self._stopping = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="review", daemon=True)

    def start(self) -> None:
        """Begin to keep, and to forget."""
        self._thread.start()

    def stop(self) -> None:
        """End after the image under way; one that waits is dropped.

        A database that does not answer holds the server's end up for a while at most.
        """
        self._stopping.set()
        with suppress(queue.Full):  # what waits wakes the thread as well
            self._waiting.put_nowait(None)
        self._thread.join(_STOP_SECONDS)

    def offer(self, data: bytes, request_id: str, finding: Finding) -> None:
        """Take an answered image if it deserves it and nothing waits; returns at once."""
        size = finding.statistics.width * finding.statistics.height
        if not self._per_day or size > MAX_PIXELS or finding.image_id in self._seen:
            return
        now = datetime.now(UTC)
        shares = {
            share: priority
            for share, priority in _shares(finding).items()
            if priority > self._floors.get((now.date(), share), float("-inf"))
        }
        if not shares:
            return
        try:
            self._waiting.put_nowait(_Offered(data, request_id, finding.image_id, now, shares))
        except queue.Full:
            self._count("dropped")

    def _run(self) -> None:
        yield_to_others()
        forget_at = time.monotonic()
        while not self._stopping.is_set():
            if time.monotonic() >= forget_at:
                wait = _FORGET_EVERY_SECONDS if self._forget() else _FORGET_AGAIN_SECONDS
                forget_at = time.monotonic() + wait
            try:
                offered = self._waiting.get(timeout=max(forget_at - time.monotonic(), 0.0))
            except queue.Empty:
                continue
            if offered is None or self._stopping.is_set():
                return
            try:
                self._keep(offered)
            except VigieError:
                self._count("dropped")  # the database is away; the log of answers tells of it
            except Exception as error:  # an image is not worth the thread
                self._count("failed")
                _logger.warning("an image was not kept for review: %s", type(error).__name__)

    def _keep(self, offered: _Offered) -> None:
        self._try(offered)
        # Whoever sends an image again and again is no reason to encode it again and again.
        self._seen[offered.image_id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _try(self, offered: _Offered) -> None:
        pixels = _decoded(offered.data, self._limits, refuses_text=self._refuses_text)
        if pixels is None:
            self._count("text")
            return
        png = _encoded(pixels)
        for share, priority in offered.shares.items():
            image = KeptImage(
                image_id=offered.image_id,
                request_id=offered.request_id,
                at=offered.at,
                until=offered.at + self._kept_for,
                share=share,
                priority=priority,
            )
            floor = keep_image(
                self._database, image, png, per_day=self._per_day, max_bytes=self._max_bytes
            )
            if floor == float("inf"):
                self._count("crowded")
                return
            self._floors = {
                key: value for key, value in self._floors.items() if key[0] == offered.at.date()
            } | {(offered.at.date(), share): floor}
            if priority >= floor:
                self._count("kept")
                return

    def _forget(self) -> bool:
        try:
            forget_expired(self._database, datetime.now(UTC))
        except Exception as error:  # tables to come, rights, an outage: pixels must go after it
            trouble = type(error).__name__
            if trouble != self._trouble:  # one line when something changes, not one per attempt
                _logger.warning("images whose time is over are not forgotten yet: %s", trouble)
            self._trouble = trouble
            return False
        if self._trouble:
            _logger.info("images whose time is over are forgotten again")
        self._trouble = ""
        return True

    def _count(self, outcome: str) -> None:
        self._metrics.review_images.labels(outcome).inc()


def _shares(finding: Finding) -> dict[Share, float]:
    """Chance first: a sample without the doubtful ones would be none."""
    weights = doubts(
        action=finding.decision.action,
        reasons=finding.decision.reasons,
        probabilities=list(finding.probabilities.values()),
        embedding=finding.embedding,
        disagreement=finding.disagreement,
    )
    shares: dict[Share, float] = {"sample": chance(finding.image_id)}
    shares.update(weights.items())
    return shares


def _decoded(data: bytes, limits: DecodeLimits, *, refuses_text: bool) -> Pixels | None:
    """The pixels, None where a DICOM header says or lets suspect that there is text in them."""
    if not is_dicom(data):
        return decode(data, limits).pixels
    # Only who has DICOM files waits for pydicom.
    from ml.contract.dicom.annotation import text_verdict
    from ml.contract.dicom.file import read_image_object
    from ml.contract.dicom.image import decode_object
    from ml.contract.quiet_dicom import quiet_dicom

    dataset = read_image_object(data, limits.max_bytes)
    with quiet_dicom():
        if refuses_text and text_verdict(dataset) != "none":
            return None
    return decode_object(dataset, limits)[0]


def _encoded(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
