"""What Prometheus may ask. One registry per application, so that two never mix."""

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from ml.contract.engine_choice import EngineChoice
from ml.contract.records import ModelIdentity, Role

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
            ("version", "label", "action", "channel", "role"),
            registry=self.registry,
        )
        self._model_seconds = Histogram(
            "vigie_model_seconds",
            "One image through one model, waiting included; for a shadow, beside the answer.",
            ("role", "version"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stopped_early = Counter(
            "vigie_stopped_early",
            "Images that one member of an adaptive vote answered for all.",
            ("role", "version"),
            registry=self.registry,
        )
        self.model_failures = Counter(
            "vigie_model_failures",
            "Images that a model could not answer by its own fault.",
            ("role", "version"),
            registry=self.registry,
        )
        self.shadow_images = Counter(
            "vigie_shadow_images",
            "Images offered to the shadow: agreed, disagreed, critical_disagreed, dropped, failed.",
            ("version", "outcome"),
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
            "The share of requests that a loaded model answers; 0 for a shadow.",
            ("name", "version", "bundle", "role"),
            registry=self.registry,
        )
        self._shown: dict[Role, tuple[str, ...]] = {}

        self._engine_chosen = self._engine_gauge(
            "chosen", "1 for the inference engine that answers, 0 for the others that were tried."
        )
        self._engine_seconds = self._engine_gauge(
            "seconds", "Median seconds per golden image when the model was loaded."
        )
        self._engine_difference = self._engine_gauge(
            "difference", "Largest difference in probability from ONNX Runtime on golden images."
        )

    def _engine_gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"vigie_engine_{name}", documentation, ("engine",), registry=self.registry)

    def watch(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """A gauge that is read when Prometheus asks."""
        Gauge(name, documentation, registry=self.registry).set_function(value)

    def show_model(self, role: Role, identity: ModelIdentity | None, weight: float) -> None:
        """Make `identity` the one model that `vigie_model_info` names in this role, or none."""
        before = self._shown.pop(role, None)
        if before is not None:
            self._model_info.remove(*before)
        if identity is not None:
            labels = (identity.name, identity.version, identity.bundle, role)
            self._model_info.labels(*labels).set(weight)
            self._shown[role] = labels

    def see_answer(
        self, role: Role, version: str, seconds: Mapping[str, float], *, stopped_early: bool
    ) -> None:
        """Take in how long the stages of one image took a model, and whether all of it ran."""
        self._model_seconds.labels(role, version).observe(sum(seconds.values()))
        if stopped_early:
            self._stopped_early.labels(role, version).inc()

    def show_engines(self, choice: EngineChoice) -> None:
        """Make the choice of the model that answers now the one that `vigie_engine_*` tells."""
        for gauge in (self._engine_chosen, self._engine_seconds, self._engine_difference):
            gauge.clear()
        for trial in choice.trials:
            self._engine_chosen.labels(trial.engine).set(trial.refused is None)
            if trial.milliseconds is not None:
                self._engine_seconds.labels(trial.engine).set(trial.milliseconds / 1e3)
            if trial.difference is not None:
                self._engine_difference.labels(trial.engine).set(trial.difference)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
