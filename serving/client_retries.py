"""What the client may repeat, and how long it waits before."""

from http import HTTPStatus
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

# Nothing of the request can have reached the server.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# The server says so when it did not carry out a request.
_NOT_DONE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_BACKOFF_SECONDS = 0.2


class AskedToWaitLonger(Exception):
    """The server's Retry-After exceeds the client's patience; `response` is not read yet."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__("the server asks for more patience than there is")
        self.response = response


class Retries:
    """The client's rules: at most `total` repetitions with pauses of at most `patience` seconds."""

    def __init__(self, *, total: int, patience: float) -> None:
        self._patience = patience
        rules: dict[str, Any] = {"backoff_factor": _BACKOFF_SECONDS, "max_backoff_wait": patience}
        self._by_method = {
            "GET": Retry(total=total, **rules),
            "POST": Retry(
                total=total,
                allowed_methods=["POST"],
                status_forcelist=_NOT_DONE,
                retry_on_exceptions=_NEVER_SENT,
                **rules,
            ),
        }

    def transport(self) -> httpx.BaseTransport:
        """A transport that follows the rules that a request carries in its extensions."""
        return RetryTransport(_Patient(httpx.HTTPTransport(), self._patience))

    def extensions(self, method: str, *, once: bool) -> dict[str, Retry]:
        """What a request carries: the rules of its method, or none to repeat it."""
        return {"retry": Retry(total=0) if once else self._by_method[method]}


def retry_after(response: httpx.Response) -> float | None:
    """The response's Retry-After in seconds; None where it is missing or no time."""
    try:
        return Retry().parse_retry_after(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None


class _Patient(httpx.BaseTransport):
    # The library would cut a long Retry-After short and come back too early.
    def __init__(self, inner: httpx.BaseTransport, patience: float) -> None:
        self._inner = inner
        self._patience = patience

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if response.status_code in _NOT_DONE and (retry_after(response) or 0) > self._patience:
            raise AskedToWaitLonger(response)
        return response

    def close(self) -> None:
        self._inner.close()
