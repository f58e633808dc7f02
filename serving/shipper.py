"""Moves the outbox into the database, again and again until it is there."""

import logging
import threading
from collections.abc import Callable, Sequence

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from ml.contract.errors import Unavailable, VigieError
from ml.contract.records import FeedbackRecord, PredictionRecord
from ml.store.feedback import insert_feedback
from ml.store.migrate import migrate
from ml.store.predictions import insert_predictions
from serving.outbox import Outbox, OutboxRow

_ROWS = 500
_IDLE_SECONDS = 5.0
_GATHER_SECONDS = 0.2  # rows that come in quick succession share a transaction
_LONGEST_BACKOFF_SECONDS = 30.0
# What lies with a row itself. A node that only reads after a failover, a missing right, an older
# schema or a crowded pool lie with the database: they pass, and every row is good afterwards.
_FAULTS_OF_A_ROW = (ValidationError, DataError, IntegrityError)
_logger = logging.getLogger(__name__)


class Shipper:
    """One thread. Inserts skip what is stored already, so a row shipped twice is stored once.

    `on_refused` is called for each row that the database refuses for good.
    """

    def __init__(self, outbox: Outbox, engine: Engine, *, on_refused: Callable[[], None]) -> None:
        self._outbox = outbox
        self._engine = engine
        self._on_refused = on_refused
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._migrated = False
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to ship."""
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Ship what is there and end; what cannot be shipped in time waits for the next start."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout)
        self._engine.dispose()

    def ship(self) -> int:
        """Ship everything that is there; return the number of rows.

        Raises:
            Unavailable: the database takes nothing or the outbox does not answer; nothing is lost.
            Refusal: the database was migrated by a newer release; nothing is lost.
        """
        try:
            return self._ship()
        except Exception as error:
            # It may come back as another one: of an older state, or with other rights.
            self._migrated = False
            # Connections of before would go on to a node that only reads, or keep old rights.
            self._engine.dispose()
            if not isinstance(error, SQLAlchemyError):
                raise
            raise Unavailable(
                f"The {self._engine.dialect.name} database takes no rows now: {_reason(error)}.",
                remedy="Check that it is not read-only, its user's rights and its schema.",
            ) from error

    def _ship(self) -> int:
        if not self._migrated:
            migrate(self._engine)
            self._migrated = True
        shipped = 0
        while rows := self._outbox.oldest(_ROWS):
            try:
                self._insert(rows)
            except _FAULTS_OF_A_ROW:  # one bad row fails its whole batch: find it
                self._insert_one_by_one(rows)
            else:
                self._outbox.remove([row.key for row in rows])
            shipped += len(rows)
        return shipped

    def _insert(self, rows: Sequence[OutboxRow]) -> None:
        predictions = [
            PredictionRecord.model_validate_json(row.body)
            for row in rows
            if row.kind == "prediction"
        ]
        feedback = [
            FeedbackRecord.model_validate_json(row.body) for row in rows if row.kind == "feedback"
        ]
        if predictions:
            insert_predictions(self._engine, predictions)
        if feedback:
            insert_feedback(self._engine, feedback)

    def _insert_one_by_one(self, rows: Sequence[OutboxRow]) -> None:
        for row in rows:
            try:
                self._insert([row])
            except _FAULTS_OF_A_ROW as error:  # it stays in the outbox for a person to look at
                reason = type(error).__name__
                _logger.error("the database refuses %s %s: %s", row.kind, row.key, reason)  # noqa: TRY400
                self._outbox.set_aside(row.key, reason)
                self._on_refused()
            else:
                self._outbox.remove([row.key])

    def _run(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                self.ship()
            except VigieError as error:
                failures += 1
                if failures == 1:
                    _logger.warning("predictions wait in the outbox: %s", error)
            except Exception:  # the thread must live: rows wait on disk meanwhile
                failures += 1
                _logger.exception("shipping failed")
            else:
                if failures:
                    _logger.info("the database answers again: the outbox is empty")
                failures = 0
            if self._stopping.is_set():
                return
            if failures:
                self._stopping.wait(min(2.0 ** (failures - 1), _LONGEST_BACKOFF_SECONDS))
            else:
                self._wake.wait(_IDLE_SECONDS)
                self._stopping.wait(_GATHER_SECONDS)


def _reason(error: SQLAlchemyError) -> str:
    # The driver's class names what PostgreSQL refused; SQLAlchemy's is of a whole family.
    return type(getattr(error, "orig", None) or error).__name__
