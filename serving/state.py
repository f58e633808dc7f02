"""The parts of one running server, built in one place and handed to the routes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from ml.contract.errors import InvalidParams
from ml.contract.records import Role
from ml.store.database import open_database
from serving.callers import Gate
from serving.key_file import KeyFile
from serving.ledger_check import LedgerCheck
from serving.metrics import ServerMetrics
from serving.model_slot import ModelSlot
from serving.outbox import Outbox
from serving.prediction_log import PredictionLog
from serving.review_keeper import ReviewKeeper
from serving.service import PredictionService
from serving.settings import Settings
from serving.shipper import Shipper
from serving.sources import Source
from serving.tokens import TokenChecker
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
    keeper: ReviewKeeper
    watcher: Watcher
    beside: Mapping[Role, ModelSlot]
    beside_watchers: tuple[Watcher, ...]
    gate: Gate

    @classmethod
    def build(
        cls, settings: Settings, source: Source, beside: Mapping[Role, Source]
    ) -> "ServerState":
        """Put the parts together; nothing runs yet.

        Args:
            beside: where the canary and the shadow come from, if from anywhere.

        Raises:
            InvalidParams: the database's URL cannot be used, or keys and tokens cannot be checked.
            LogUnavailable: the outbox cannot be opened.
        """
        metrics = ServerMetrics()
        slot = ModelSlot()
        outbox = Outbox(settings.folder / "outbox.sqlite", max_bytes=settings.max_outbox_bytes)
        metrics.watch("vigie_outbox_rows", "Log rows not in the database yet.", outbox.depth)
        metrics.watch(
            "vigie_outbox_oldest_age_seconds",
            "How long the oldest log row has waited for the database; 0 where none waits.",
            outbox.oldest_age,
        )
        metrics.watch(
            "vigie_outbox_set_aside_rows",
            "Log rows that the database refused, kept for a person to look at.",
            outbox.set_aside_rows,
        )
        metrics.watch_disk(settings.folder)
        database = open_database(settings.database)
        shipper = Shipper(outbox, database, on_refused=metrics.refused_rows.inc)
        log = PredictionLog(outbox, on_written=shipper.wake)
        slots: dict[Role, ModelSlot] = {"canary": ModelSlot(), "shadow": ModelSlot()}
        keeper = ReviewKeeper(
            database,
            metrics,
            limits=settings.limits,
            per_day=settings.review_images,
            days=settings.review_days,
            max_bytes=settings.review_max_bytes,
            text=settings.review_text,
        )
        service = PredictionService(
            slot,
            slots["canary"],
            slots["shadow"],
            log,
            metrics,
            keeper,
            workers=settings.workers,
            queue_limit=settings.queue_limit,
            limits=settings.limits,
        )

        def follow(role: Role, source: Source, slot: ModelSlot) -> Watcher:
            return Watcher(
                source,
                slot,
                metrics,
                poll_seconds=settings.poll_seconds,
                engine=settings.engine,
                streams=1 if role == "shadow" else settings.workers,
                role=role,
                ledger=LedgerCheck(database),
            )

        return cls(
            settings,
            metrics,
            slot,
            outbox,
            database,
            log,
            shipper,
            service,
            keeper,
            follow("production", source, slot),
            slots,
            tuple(follow(role, source, slots[role]) for role, source in beside.items()),
            _gate(settings),
        )

    def look_now(self) -> None:
        """Have all sources asked at once."""
        for watcher in (self.watcher, *self.beside_watchers):
            watcher.hint()

    @contextmanager
    def running(self) -> Iterator[None]:
        """All threads run within the block; at its end what was answered is on disk."""
        self.log.start()
        self.shipper.start()
        self.service.start()
        self.keeper.start()
        watchers = (self.watcher, *self.beside_watchers)
        for watcher in watchers:
            watcher.start()
        try:
            yield
        finally:
            for watcher in watchers:
                watcher.stop()
            self.service.close()
            self.keeper.stop()
            self.log.stop()
            self.shipper.stop(_SHIP_SECONDS)


def _gate(settings: Settings) -> Gate:
    keys = KeyFile(settings.key_file) if settings.key_file else None
    tokens = None
    if settings.oidc_issuer is not None:
        if settings.oidc_jwks_url is None:
            raise InvalidParams(
                "VIGIE_OIDC_ISSUER is set, but not where its keys are.",
                remedy="Set VIGIE_OIDC_JWKS_URL, or unset both.",
            )
        tokens = TokenChecker(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            jwks_url=settings.oidc_jwks_url,
        )
    return Gate(keys, tokens, per_minute=settings.requests_per_minute)


# async, or the framework would send it through a thread at every request
async def _state(request: Request) -> ServerState:
    state: ServerState = request.app.state.server
    return state


State = Annotated[ServerState, Depends(_state)]
