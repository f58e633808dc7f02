"""Spans as an exporter gets them; skips where the extra is not installed."""

import sys

import pytest
from starlette.testclient import TestClient

from ml.contract.errors import InvalidParams
from serving.app import create_app
from serving.settings import Settings
from serving.sources import FolderSource
from serving.tracing import Tracing
from tests.serving.images import png

pytest.importorskip("opentelemetry.sdk", reason="needs the extra `tracing`")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(client, exporter) -> TestClient:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return TestClient(Tracing(client.app, provider))


def test_a_request_is_one_span_with_route_version_and_stages(traced, exporter):
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    traced.post("/predict", files={"file": png()}, headers=headers)
    (span,) = exporter.get_finished_spans()
    assert span.name == "POST /predict"
    assert format(span.context.trace_id, "032x") == TRACE
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["vigie.model.version"] == "tiny-1"
    assert span.attributes["vigie.stage.infer_ms"] > 0


def test_a_span_holds_nothing_that_could_name_a_patient(traced, exporter):
    secret = "nobody-real"
    traced.post(
        f"/predict/{secret}?name={secret}",
        files={"file": (f"{secret}.png", b"text")},
        headers={"User-Agent": secret, "X-Patient": secret},
    )
    traced.post("/predict", files={"file": (f"{secret}.png", b"text")}, data={"site": secret})
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["POST unmatched", "POST /predict"]
    assert all(secret not in span.to_json() for span in spans)
    assert all("testclient" not in span.to_json() for span in spans)


def test_a_server_error_marks_the_span_and_shows_no_message(exporter):
    async def broken(scope, receive, send):
        raise RuntimeError("nobody-real")

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.raises(RuntimeError):
        TestClient(Tracing(broken, provider)).get("/")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "nobody-real" not in span.to_json()


def test_without_an_endpoint_nothing_is_traced_and_with_one_it_is(tmp_path, tiny_bundle):
    for endpoint, expected in ((None, 0), ("http://127.0.0.1:9", 1)):
        settings = Settings(home=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        app = create_app(settings, FolderSource(tiny_bundle))
        assert [layer.cls for layer in app.user_middleware].count(Tracing) == expected


def test_an_endpoint_without_the_library_is_refused_with_a_remedy(
    tmp_path, tiny_bundle, monkeypatch
):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    settings = Settings(home=tmp_path, otlp_endpoint="http://127.0.0.1:9")
    with pytest.raises(InvalidParams, match="extra `tracing`"):
        create_app(settings, FolderSource(tiny_bundle))
