"""What Prometheus may ask. One registry per application, so that two never mix."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from ml.contract.records import ModelIdentity

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """The metrics of one application; each attribute is one family."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "vigie_requests", "Requests answered.", ("route", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "vigie_request_seconds",
            "From the request's first byte to the answer's last.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "vigie_stage_seconds",
            "One image in one stage: queue, decode, preprocess, infer, explain, log.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "vigie_answers",
            "Images answered.",
            ("version", "label", "action", "channel"),
            registry=self.registry,
        )
        self.problems = Counter(
            "vigie_problems",
            "Images and requests that were not answered, by kind of problem.",
            ("code",),
            registry=self.registry,
        )
        self.reloads = Counter(
            "vigie_reloads", "Models that began to answer.", registry=self.registry
        )
        self.reload_failures = Counter(
            "vigie_reload_failures",
            "Models that could not be loaded, or polls that failed.",
            ("code",),
            registry=self.registry,
        )
        self.refused_rows = Counter(
            "vigie_outbox_refused", "Log rows that the database refused.", registry=self.registry
        )
        self._model_info = Gauge(
            "vigie_model_info",
            "1 for the model that answers now.",
            ("name", "version", "bundle"),
            registry=self.registry,
        )

    def watch(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """A gauge that is read when Prometheus asks."""
        Gauge(name, documentation, registry=self.registry).set_function(value)

    def show_model(self, identity: ModelIdentity) -> None:
        """Make `identity` the one model that `vigie_model_info` names."""
        self._model_info.clear()
        self._model_info.labels(identity.name, identity.version, identity.bundle).set(1)
        self.reloads.inc()

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
