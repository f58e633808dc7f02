"""Around every request: an id, one log line, metrics, and an answer even to our own mistakes."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.answers import new_id
from serving.metrics import ServerMetrics
from serving.outcome import outcome_of
from serving.problems import response_for

_logger = logging.getLogger("serving.request")
_QUIET_ROUTES = ("/health/live", "/health/ready", "/metrics", "/v2/health/live", "/v2/health/ready")
_SAFETY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
# Answers speak of patients' images: nothing between server and client keeps them.
_NOT_KEPT = ((b"cache-control", b"no-store"),)
_ONE_YEAR = ((b"strict-transport-security", b"max-age=31536000"),)


class RequestLog:
    """ASGI middleware. The line names route, status, time, model version, caller and request id."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = arrived = answered = time.perf_counter()
        request_id = new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def receive_and_note() -> Message:
            nonlocal arrived
            message = await receive()
            if message["type"] == "http.request":
                arrived = time.perf_counter()
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = time.perf_counter()
                given = list(message.get("headers", ()))
                headers = [(b"x-request-id", request_id.encode()), *_SAFETY_HEADERS]
                if not any(name.lower() == b"cache-control" for name, _ in given):
                    headers += _NOT_KEPT
                if scope["scheme"] == "https":
                    headers += _ONE_YEAR
                message["headers"] = [*given, *headers]
            await send(message)

        try:
            await self._app(scope, receive_and_note, send_with_id)
        except Exception as error:
            _logger.exception("request %s failed", request_id)
            if status:
                raise  # the answer has begun; the server must cut the connection
            self._metrics.problems.labels("internal").inc()
            response = response_for(error, path=scope["path"], request_id=request_id)
            await response(scope, receive, send_with_id)
        finally:
            own = max(answered - arrived, 0.0)  # an answer may come before the request's end
            self._report(scope, status, time.perf_counter() - started, own, request_id)

    def _report(
        self, scope: Scope, status: int, seconds: float, own: float, request_id: str
    ) -> None:
        # The route's template, never the path itself: a path can hold a patient's name.
        route = getattr(scope.get("route"), "path", "unmatched")
        outcome = outcome_of(status, scope["state"].get("problem"))
        self._metrics.requests.labels(route, str(status), outcome).inc()
        if status:
            self._metrics.request_seconds.labels(route).observe(own)
        _logger.log(
            logging.DEBUG if route in _QUIET_ROUTES else logging.INFO,
            "method=%s route=%s status=%d ms=%.1f version=%s caller=%s request=%s",
            scope["method"],
            route,
            status,
            seconds * 1e3,
            scope["state"].get("version", "-"),
            scope["state"].get("caller", "-"),
            request_id,
        )
