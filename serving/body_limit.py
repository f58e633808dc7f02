"""Bodies are counted while they arrive, whatever Content-Length says or leaves out."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import BodyTooLarge
from serving.problems import response_for

_DISCARDED_BYTES = 64 * 2**20
_DISCARDING_SECONDS = 10.0


class BodyLimit:
    """ASGI middleware: answers 413 when a body passes its limit.

    Args:
        limit_of: bytes by path.
    """

    def __init__(self, app: ASGIApp, *, limit_of: Callable[[str], int]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        if _declared_length(scope) > limit:
            await _refuse(scope, receive, send, limit, more=True)
            return
        received = 0
        more = True
        begun = False

        async def counted() -> Message:
            nonlocal received, more
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
            # The application sees its client leave and stops reading.
            return {"type": "http.disconnect"} if received > limit else message

        async def guarded(message: Message) -> None:
            nonlocal begun
            if received > limit and not begun:
                return  # whatever it makes of that is not the answer
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, guarded)
        except Exception:
            if received <= limit or begun:
                raise
        if received > limit and not begun:
            await _refuse(scope, receive, send, limit, more=more)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _declared_length(scope: Scope) -> int:
    length = _header(scope, b"content-length")
    return int(length) if length.isdigit() else 0


async def _refuse(scope: Scope, receive: Receive, send: Send, limit: int, *, more: bool) -> None:
    if more and not _header(scope, b"expect"):  # such a client waits for our word before it sends
        await _discard(receive)
    error = BodyTooLarge(
        f"The request's body is larger than {limit:,} bytes.",
        remedy="Send a smaller file, or fewer at once.",
    )
    scope["app"].state.server.metrics.problems.labels(error.code).inc()
    response = response_for(error, path=scope["path"], request_id=scope["state"]["request_id"])
    # What is left of the body would otherwise be read as the next request.
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


async def _discard(receive: Receive) -> None:
    """Read on for a while: most clients look for an answer only after sending everything."""
    discarded = 0
    try:
        async with asyncio.timeout(_DISCARDING_SECONDS):
            while discarded < _DISCARDED_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
