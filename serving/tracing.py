"""OpenTelemetry traces: one span a request, only where OTEL_EXPORTER_OTLP_ENDPOINT is set."""

from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.contract.errors import InvalidParams

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_SERVER_ERROR = 500


class Tracing:
    """ASGI middleware. A span holds method, route, status, model version and stage times.

    Never the path itself, the query, headers, addresses or messages of errors: they can hold names.
    The instrumentation library for the framework would record them.
    """

    def __init__(self, app: ASGIApp, provider: "TracerProvider") -> None:
        self._app = app
        self._tracer = provider.get_tracer("vigie.serving")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _SERVER_ERROR

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        with self._tracer.start_as_current_span(
            scope["method"],
            context=extract(headers),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self._app(scope, receive, noted)
            finally:
                attributes = _attributes(scope, status)
                span.update_name(f"{scope['method']} {attributes['http.route']}")
                span.set_attributes(attributes)
                if status >= _SERVER_ERROR:
                    span.set_status(StatusCode.ERROR)


def exporting_provider() -> "TracerProvider":
    """Sends spans in the background as the standard `OTEL_*` variables say.

    Raises:
        InvalidParams: the extra `tracing` is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise InvalidParams(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed.",
            remedy="Install the extra `tracing`, or unset the variable.",
        ) from error
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _attributes(scope: Scope, status: int) -> dict[str, Any]:
    state = scope.get("state", {})
    stages: dict[str, float] = state.get("seconds", {})
    return {
        "http.request.method": scope["method"],
        "http.route": getattr(scope.get("route"), "path", "unmatched"),
        "http.response.status_code": status,
        "vigie.model.version": state.get("version", "-"),
        **{f"vigie.stage.{stage}_ms": round(value * 1e3, 3) for stage, value in stages.items()},
    }
