"""What Prometheus may ask. One registry per application, so that two never mix."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from ml.contract.engine_choice import EngineChoice
from ml.contract.errors import VigieError
from ml.contract.records import ModelIdentity, Role
from serving.outcome import BUDGETED_ROUTES, OUTCOMES

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Neighbours differ by half at most where the 99th percentile lies, and 1.5 s is the objective.
_REQUEST_SECONDS = (
    *(0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5),
    *(2.5, 5.0, 10.0),
)


class ServerMetrics:
    """The metrics of one application; each attribute is one family."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "vigie_requests",
            f"Requests by what became of them: {', '.join(OUTCOMES)}.",
            ("route", "status", "outcome"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "vigie_request_duration_seconds",
            "From the request's last byte to the answer's first: the server's own time.",
            ("route",),
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        # A first failure counts as one only beside a series that stood at zero before.
        for route in BUDGETED_ROUTES:
            self.request_seconds.labels(route)
            for outcome, status in OUTCOMES.items():
                if status is not None:
                    self.requests.labels(route, str(status), outcome)
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
        self.feedback = Counter(
            "vigie_feedback", "Labels that people sent back.", ("label",), registry=self.registry
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
        self.review_images = Counter(
            "vigie_review_images",
            "Images for review: kept, dropped (no time), crowded (no room), text, failed.",
            ("outcome",),
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
        self._source_seen = Gauge(
            "vigie_source_last_answer_timestamp_seconds",
            "When the source of models last said which one has the role, Unix time.",
            ("role",),
            registry=self.registry,
        )
        self._model_rejected = Gauge(
            "vigie_model_rejected",
            "1 while the source names a model that could not be loaded.",
            ("role",),
            registry=self.registry,
        )
        self._model_loaded = Gauge(
            "vigie_model_loaded_timestamp_seconds",
            "When the model of this role began to answer, Unix time.",
            ("role",),
            registry=self.registry,
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
        """A gauge that is read when Prometheus asks; NaN where it cannot be told."""

        def read() -> float:
            try:
                return value()
            except (VigieError, OSError):
                return float("nan")  # the other metrics are wanted most when something fails

        Gauge(name, documentation, registry=self.registry).set_function(read)

    def watch_disk(self, folder: Path) -> None:
        """How full the disk of the server's state is."""
        self.watch(
            "vigie_home_free_bytes",
            "Free space where the server keeps its state.",
            lambda: shutil.disk_usage(folder).free,
        )
        self.watch(
            "vigie_home_size_bytes",
            "Size of the disk where the server keeps its state.",
            lambda: shutil.disk_usage(folder).total,
        )

    def see_source(self, role: Role) -> None:
        """The source has just said which model has the role, or that none has."""
        self._source_seen.labels(role).set(time.time())

    def show_rejected(self, role: Role, *, rejected: bool) -> None:
        """Whether the model that the source names could not be loaded."""
        self._model_rejected.labels(role).set(rejected)

    def show_model(self, role: Role, identity: ModelIdentity | None, weight: float) -> None:
        """Make `identity` the one model that `vigie_model_info` names in this role, or none."""
        before = self._shown.pop(role, None)
        if before is not None:
            self._model_info.remove(*before)
        if identity is None:
            return
        labels = (identity.name, identity.version, identity.bundle, role)
        self._model_info.labels(*labels).set(weight)
        self._shown[role] = labels
        if labels != before:
            self._model_loaded.labels(role).set(time.time())
            self.model_failures.labels(role, identity.version)  # 0 until one fails

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
