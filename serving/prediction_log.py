"""The prediction log as the server uses it: durable before the answer, shipped afterwards."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from ml.contract.errors import VigieError
from ml.contract.records import FeedbackRecord, PredictionRecord
from serving.outbox import Outbox, OutboxRow

_GROUP = 256


class PredictionLog:
    """Requests that arrive together share one write to the disk.

    `on_written` is called after each write, in the writing thread.
    """

    def __init__(self, outbox: Outbox, *, on_written: Callable[[], None]) -> None:
        self._outbox = outbox
        self._on_written = on_written
        self._waiting: queue.SimpleQueue[tuple[list[OutboxRow], Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._failed = False
        self._thread = threading.Thread(target=self._write, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was handed in and end."""
        self._waiting.put(None)
        self._thread.join()

    async def record(self, predictions: Sequence[PredictionRecord]) -> None:
        """Return when the records are on disk.

        Raises:
            LogUnavailable: they are not, so nothing may be answered.
        """
        rows = [
            OutboxRow("prediction", record.request_id, record.model_dump_json())
            for record in predictions
        ]
        await asyncio.wrap_future(self._hand_in(rows))

    def record_now(self, prediction: PredictionRecord) -> None:
        """As `record`, for one record and a thread that may wait.

        Raises:
            LogUnavailable: it is not on disk.
        """
        row = OutboxRow("prediction", prediction.request_id, prediction.model_dump_json())
        self._hand_in([row]).result()

    def record_feedback(self, feedback: FeedbackRecord) -> None:
        """Return when the record is on disk.

        Raises:
            LogUnavailable: it is not.
        """
        row = OutboxRow("feedback", feedback.feedback_id, feedback.model_dump_json())
        self._hand_in([row]).result()

    def is_writable(self) -> bool:
        """Whether records can be written; after a failure the disk is tried again."""
        if self._failed:
            try:
                self._outbox.probe()
            except VigieError:
                return False
            self._failed = False
        return True

    def _hand_in(self, rows: list[OutboxRow]) -> Future[None]:
        written: Future[None] = Future()
        self._waiting.put((rows, written))
        return written

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = [first]
            stopping = False
            while len(group) < _GROUP and not self._waiting.empty():
                item = self._waiting.get()
                if item is None:
                    stopping = True
                    break
                group.append(item)
            self._write_group(group)
            if stopping:
                return

    def _write_group(self, group: list[tuple[list[OutboxRow], Future[None]]]) -> None:
        # A request that was cancelled meanwhile is not written: nobody gets its answer.
        live = [item for item in group if item[1].set_running_or_notify_cancel()]
        try:
            self._outbox.append([row for rows, _ in live for row in rows])
        except Exception as error:  # whatever it is, each waiting request must hear of it
            self._failed = True
            for _, written in live:
                written.set_exception(error)
        else:
            self._failed = False
            for _, written in live:
                written.set_result(None)
            self._on_written()
