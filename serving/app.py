"""The application: parts, routes and middleware put together from explicit arguments."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from types import MappingProxyType

from fastapi import FastAPI

from ml.contract.records import Role
from serving import documents, page, problems
from serving.authorisation import Authorisation
from serving.body_limit import BodyLimit
from serving.request_log import RequestLog
from serving.routes import TAGS, feedback, health, hooks, metrics, model, oip, predict, review
from serving.settings import Settings
from serving.sources import Source
from serving.state import ServerState
from serving.tracing import Tracing, exporting_provider

_FORM_OVERHEAD = 64 * 1024
_SMALL_BODY = 64 * 1024
_FIRST_MODEL_SECONDS = 60.0


def create_app(
    settings: Settings, source: Source, beside: Mapping[Role, Source] = MappingProxyType({})
) -> FastAPI:
    """Build the application; its threads run between startup and shutdown.

    `app.state.server` is its `ServerState`; `beside` says where a canary and a shadow come from.

    Raises:
        InvalidParams: the database's URL or the keys cannot be used, or traces are asked for and
            cannot be had.
        LogUnavailable: the outbox cannot be opened.
    """
    server = ServerState.build(settings, source, beside)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with server.running():
            # The port opens after this. A proxy takes a replica that answers 503 at once for the
            # least busy one; a connection that is refused it takes elsewhere.
            await asyncio.to_thread(server.watcher.wait_for_first, _FIRST_MODEL_SECONDS)
            yield

    app = FastAPI(
        title="Vigie",
        description="Radiology image classifier. For research; not a medical device.",
        version=version("vigie"),
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        openapi_tags=TAGS,
        lifespan=lifespan,
        # Their pages load scripts from other hosts; /openapi.json stays.
        docs_url=None,
        redoc_url=None,
    )
    app.state.server = server
    for module in (predict, feedback, review, model, health, hooks, oip, metrics):
        app.include_router(module.router)
    page.mount(app)
    problems.install(app)
    documents.install(app)
    # The last one added is the outermost.
    app.add_middleware(
        BodyLimit, limit_of=partial(_body_limit, settings), seconds=settings.body_seconds
    )
    app.add_middleware(Authorisation, gate=server.gate)
    app.add_middleware(RequestLog, metrics=server.metrics)
    if settings.otlp_endpoint:
        app.add_middleware(Tracing, provider=exporting_provider())
    return app


def _body_limit(settings: Settings, path: str) -> int:
    if path == "/predict":
        return settings.max_bytes + _FORM_OVERHEAD
    if path == "/batch_predict" or path.endswith("/infer"):
        return settings.max_batch_bytes
    return _SMALL_BODY
