"""The application: parts, routes and middleware put together from explicit arguments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI

from serving import page, problems
from serving.body_limit import BodyLimit
from serving.request_log import RequestLog
from serving.routes import feedback, health, metrics, model, oip, predict
from serving.settings import Settings
from serving.sources import Source
from serving.state import ServerState

_FORM_OVERHEAD = 64 * 1024
_SMALL_BODY = 64 * 1024


def create_app(settings: Settings, source: Source) -> FastAPI:
    """Build the application; its threads run between startup and shutdown.

    `app.state.server` is its `ServerState`.

    Raises:
        InvalidParams: the database's URL cannot be used.
        LogUnavailable: the outbox cannot be opened.
    """
    server = ServerState.build(settings, source)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with server.running():
            yield

    app = FastAPI(
        title="Vigie",
        description="Radiology image classifier. For research; not a medical device.",
        version=version("vigie"),
        lifespan=lifespan,
        # Their pages load scripts from other hosts; /openapi.json stays.
        docs_url=None,
        redoc_url=None,
    )
    app.state.server = server
    for module in (predict, feedback, model, health, oip, metrics):
        app.include_router(module.router)
    page.mount(app)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, limit_of=partial(_body_limit, settings))
    app.add_middleware(RequestLog, metrics=server.metrics)
    return app


def _body_limit(settings: Settings, path: str) -> int:
    if path == "/predict":
        return settings.max_bytes + _FORM_OVERHEAD
    if path == "/batch_predict" or path.endswith("/infer"):
        return settings.max_batch_bytes
    return _SMALL_BODY
