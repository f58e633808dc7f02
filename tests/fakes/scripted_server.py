"""A real HTTP server that says what it is told to, and counts what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer; a `status` of None closes the connection without any."""

    status: int | None = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ScriptedServer:
    """Gives its replies in order and the last one for ever.

    `requests` are the paths asked for, each with its Authorization.
    """

    url: str
    bodies: list[bytes]
    requests: list[tuple[str, str | None]]


@contextmanager
def scripted(*replies: Reply) -> Iterator[ScriptedServer]:
    bodies: list[bytes] = []
    requests: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            requests.append((self.path, self.headers.get("Authorization")))
            reply = replies[min(len(bodies), len(replies) - 1)]
            bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            if reply.status is None:
                self.close_connection = True
                return
            content = reply.content
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815  # the library's names

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield ScriptedServer(f"http://127.0.0.1:{server.server_port}", bodies, requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
