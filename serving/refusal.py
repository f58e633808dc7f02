"""Turning a request away before the application has read its body."""

import asyncio

from starlette.types import Receive, Scope, Send

from ml.contract.errors import VigieError
from serving.problems import response_for

_DISCARDED_BYTES = 64 * 2**20
_DISCARDING_SECONDS = 10.0


async def refuse(
    scope: Scope, receive: Receive, send: Send, error: VigieError, *, more: bool = True
) -> None:
    """Answer with the error's problem document and close the connection.

    Args:
        more: whether some of the body may still come.
    """
    if more and not header(scope, b"expect"):  # such a client waits for our word before it sends
        await _discard(receive)
    scope["app"].state.server.metrics.problems.labels(error.code).inc()
    scope["state"]["problem"] = error.code
    response = response_for(error, path=scope["path"], request_id=scope["state"]["request_id"])
    # What is left of the body would otherwise be read as the next request.
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def header(scope: Scope, name: bytes) -> bytes:
    """A request's header of this lower-case name; empty where there is none."""
    return next((value for key, value in scope["headers"] if key == name), b"")


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
