"""The socket that callers of the DICOM network connect to."""

import socket
import ssl
from collections.abc import Callable
from socketserver import BaseServer
from typing import Any

from pynetdicom.transport import AssociationServer


class ConnectionServer(AssociationServer):
    """Takes so many connections at a time, and looks up between two of them.

    Associations have threads of their own; accepting them one by one keeps the count exact.
    """

    request_queue_size = 64

    def __init__(
        self,
        *arguments: Any,
        tls: ssl.SSLContext | None,
        most_connections: int,
        on_pause: Callable[[], None],
        **options: Any,
    ) -> None:
        self._tls = tls
        self._most_connections = most_connections
        self._on_pause = on_pause
        super().__init__(*arguments, **options)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """A connection. Its handshake comes with its first bytes, in a thread of its own.

        pynetdicom would wait for it here, and nobody else could call meanwhile.
        """
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def verify_request(self, *_: object) -> bool:
        """Whether there is room; more associations than agreed are rejected in their own words."""
        return len(self.active_associations) < self._most_connections

    def service_actions(self) -> None:
        super().service_actions()
        self._on_pause()

    def stop(self) -> None:
        """Listen no more; what was accepted goes on."""
        BaseServer.shutdown(self)
        self.server_close()
