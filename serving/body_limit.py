"""Bodies are counted and timed while they arrive, whatever Content-Length says or leaves out."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.contract.errors import VigieError
from serving.errors import BodyTooLarge, BodyTooSlow
from serving.refusal import header, refuse


class BodyLimit:
    """ASGI middleware: answers 413 when a body passes its limit, 408 when it does not end in time.

    Args:
        limit_of: bytes by path.
        seconds: for the whole body. The web server below has no such deadline, so a client that
            sends a byte now and then would hold its connection and its part of the form for ever.
    """

    def __init__(self, app: ASGIApp, *, limit_of: Callable[[str], int], seconds: float) -> None:
        self._app = app
        self._limit_of = limit_of
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        if _declared_length(scope) > limit:
            await refuse(scope, receive, send, _too_large(limit))
            return
        deadline = asyncio.get_running_loop().time() + self._seconds
        refusal: VigieError | None = None
        received = 0
        more = True
        begun = False

        async def bounded() -> Message:
            nonlocal refusal, received, more
            if not more:
                return await receive()  # only news of the client's leaving is left
            if refusal is None:
                try:
                    async with asyncio.timeout_at(deadline):
                        message = await receive()
                except TimeoutError:
                    refusal = _too_slow(self._seconds)
                else:
                    received += len(message.get("body", b""))
                    more = message.get("more_body", False)
                    if received <= limit:
                        return message
                    refusal = _too_large(limit)
            # The application sees its client leave and stops reading.
            return {"type": "http.disconnect"}

        async def guarded(message: Message) -> None:
            nonlocal begun
            if refusal is not None and not begun:
                return  # whatever it makes of that is not the answer
            begun = True
            await send(message)

        try:
            await self._app(scope, bounded, guarded)
        except Exception:
            if refusal is None or begun:
                raise
        if refusal is not None and not begun:
            more = more and isinstance(refusal, BodyTooLarge)  # a slow client is not waited for
            await refuse(scope, receive, send, refusal, more=more)


def _declared_length(scope: Scope) -> int:
    length = header(scope, b"content-length")
    return int(length) if length.isdigit() else 0


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request's body is larger than {limit:,} bytes.",
        remedy="Send a smaller file, or fewer at once.",
    )


def _too_slow(seconds: float) -> BodyTooSlow:
    return BodyTooSlow(
        f"The request's body did not arrive within {seconds:g} s.",
        remedy="Send it again over a faster connection, or fewer files at once.",
    )
