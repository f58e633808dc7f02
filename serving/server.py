"""uvicorn's server, which tells its address and loses nobody who had just connected as it stops."""

import asyncio
import logging
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

_HANDSHAKE_SECONDS = 2.0
"""Who had connected before the server stops has this long to agree on TLS."""

_logger = logging.getLogger("serving")


class Server(uvicorn.Server):
    """Serves on sockets that are bound already."""

    def __init__(self, config: uvicorn.Config, port_file: Path | None = None) -> None:
        """`port_file` gets the port once it is open."""
        super().__init__(config)
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        if self.should_exit or not sockets:
            return
        host, port = sockets[0].getsockname()[:2]
        scheme = "https" if self.config.is_ssl else "http"
        _logger.info("listening on %s://%s:%d", scheme, host, port)
        if self._port_file is not None:
            partial = self._port_file.with_name(f".{self._port_file.name}.part")
            partial.write_text(f"{port}\n")
            partial.replace(self._port_file)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in whoever has connected, listen no more, and let what is under way end.

        The system completes connections by itself. Those that the loop has not accepted yet would
        be reset with the listening socket, with a proxy's request perhaps sent on them already.
        """
        last = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        made = [connection for listener in last for connection in _take_and_close(listener)]
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        patience = _HANDSHAKE_SECONDS if tls else None
        await asyncio.gather(
            *(
                loop.connect_accepted_socket(
                    self._protocol, connection, ssl=tls, ssl_handshake_timeout=patience
                )
                for connection in made
            ),
            return_exceptions=True,  # who is gone in the meantime, or says nothing
        )
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _take_and_close(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait to be accepted, and no more from now on."""
    made: list[socket.socket] = []
    with listener, suppress(BlockingIOError):
        listener.setblocking(False)
        while True:
            made.append(listener.accept()[0])
    return made
