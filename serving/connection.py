"""HTTP connections that must say what they want in time."""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LAST_HEAD_SECONDS = 1.0
"""What was sent to a server that stops is here by then."""


class ImpatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request's head is not complete `head_seconds` after its begin.

    uvicorn bounds how long a connection may idle after an answer, not how long a first request or
    a head that has begun may take: a client that sends a header line now and then would hold its
    connection for ever. Bodies are timed in `body_limit`.
    """

    head_seconds: ClassVar[float]
    _deadline: asyncio.TimerHandle | None = None
    _is_asked = _stops = False

    @classmethod
    def waiting(cls, seconds: float) -> type["ImpatientProtocol"]:
        """The protocol with its deadline: uvicorn makes one object a connection itself."""
        return type(cls.__name__, (cls,), {"head_seconds": seconds})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        """Expect the rest of the head, also on a connection that is used again."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._stop_waiting()
        self._is_asked = True
        super().on_headers_complete()
        if self._stops:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The server stops: close after the answer that is due.

        uvicorn closes a connection on which nothing was asked yet at once, though a proxy may just
        have sent its request there; it would be lost, and could not be sent again.
        """
        if self._is_asked:
            super().shutdown()
            return
        self._stops = True
        asyncio.get_running_loop().call_later(_LAST_HEAD_SECONDS, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if not self._is_asked:
            self.transport.close()

    def _expect_head(self) -> None:
        if self._deadline is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
