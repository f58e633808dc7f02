"""A proxy before a real archive or server, which fails where it is told to."""

import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx

_PASSED_ON = ("Authorization", "Content-Type", "Accept")


@dataclass(frozen=True)
class Fault:
    """What happens to requests whose first line matches `of`, where they or their answer hold
    `about`: the answer has this status and the request goes no further, or breaks off halfway."""

    of: str
    about: bytes
    status: int | None = None


class FaultyProxy:
    """Listens on a free port on entering. `faults` may change meanwhile."""

    def __init__(self, target: str, *faults: Fault) -> None:
        self.faults = list(faults)
        self._client = httpx.Client(
            base_url=target,
            timeout=60,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def _pass_on(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                faults = [f for f in proxy.faults if re.match(f.of, f"{self.command} {self.path}")]
                for fault in faults:
                    if fault.status and fault.about in sent:
                        self.send_error(fault.status)
                        return
                headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
                answer = proxy._client.request(
                    self.command, self.path, content=sent, headers=headers
                )
                body = answer.content
                is_cut = any(not f.status and f.about in body for f in faults)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if is_cut else body)

            do_GET = do_POST = _pass_on  # noqa: N815  # the library's names

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._client.close()
