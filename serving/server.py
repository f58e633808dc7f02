"""uvicorn's server, which tells its address and loses nobody who had just connected as it stops."""

import asyncio
import logging
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

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
        waiting = [made for listener in sockets or [] for made in self._stop_listening(listener)]
        loop = asyncio.get_running_loop()
        for made in waiting:
            with suppress(OSError):  # gone in the meantime
                await loop.connect_accepted_socket(self._protocol, made, ssl=self.config.ssl)
        await super().shutdown(sockets)

    def _stop_listening(self, listener: socket.socket) -> list[socket.socket]:
        """Close it everywhere; return the connections that waited to be accepted."""
        made: list[socket.socket] = []
        with listener.dup() as last:
            last.setblocking(False)
            for server in self.servers:
                server.close()
            with suppress(BlockingIOError):
                while True:
                    made.append(last.accept()[0])
        return made

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
