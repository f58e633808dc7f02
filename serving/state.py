"""The parts of one running server, built in one place and handed to the routes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from ml.store.database import open_database
from serving.metrics import ServerMetrics
from serving.model_slot import ModelSlot
from serving.outbox import Outbox
from serving.prediction_log import PredictionLog
from serving.service import PredictionService
from serving.settings import Settings
from serving.shipper import Shipper
from serving.sources import Source
from serving.watcher import Watcher

_SHIP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServerState:
    """Everything that lives as long as the server."""

    settings: Settings
    metrics: ServerMetrics
    slot: ModelSlot
    outbox: Outbox
    database: Engine
    log: PredictionLog
    shipper: Shipper
    service: PredictionService
    watcher: Watcher

    @classmethod
    def build(cls, settings: Settings, source: Source) -> "ServerState":
        """Put the parts together; nothing runs yet.

        Raises:
            InvalidParams: the database's URL cannot be used.
            LogUnavailable: the outbox cannot be opened.
        """
        metrics = ServerMetrics()
        slot = ModelSlot()
        outbox = Outbox(settings.folder / "outbox.sqlite", max_bytes=settings.max_outbox_bytes)
        metrics.watch("vigie_outbox_rows", "Log rows not in the database yet.", outbox.depth)
        database = open_database(settings.database)
        shipper = Shipper(outbox, database, on_refused=metrics.refused_rows.inc)
        log = PredictionLog(outbox, on_written=shipper.wake)
        service = PredictionService(
            slot,
            log,
            metrics,
            workers=settings.workers,
            queue_limit=settings.queue_limit,
            limits=settings.limits,
        )
        watcher = Watcher(source, slot, metrics, poll_seconds=settings.poll_seconds)
        return cls(settings, metrics, slot, outbox, database, log, shipper, service, watcher)

    @contextmanager
    def running(self) -> Iterator[None]:
        """All threads run within the block; at its end what was answered is on disk."""
        self.log.start()
        self.shipper.start()
        self.watcher.start()
        try:
            yield
        finally:
            self.watcher.stop()
            self.service.close()
            self.log.stop()
            self.shipper.stop(_SHIP_SECONDS)


def _state(request: Request) -> ServerState:
    state: ServerState = request.app.state.server
    return state


State = Annotated[ServerState, Depends(_state)]
