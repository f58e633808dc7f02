"""The pipeline's numbers for Prometheus, read when asked from what the stages left behind."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

# The scheduler loads plugins and its workers are forks of it: what is imported here stays as it
# was when the stack started, so the project's own code is imported when asked.
if TYPE_CHECKING:
    from ml.journey.workspace import Workspace

_DRIFT_STATES = ("quiet", "drifted", "insufficient")

app = FastAPI(title="Vigie pipeline", docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/metrics")
def metrics() -> Response:
    """All pipeline metrics in Prometheus' text format."""
    from ml.settings import load_settings

    registry = CollectorRegistry()
    registry.register(PipelineCollector(load_settings().workspace))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class PipelineCollector:
    """Reads one workspace; nothing is kept between two scrapes."""

    def __init__(self, workspace: "Workspace") -> None:
        self._workspace = workspace

    def describe(self) -> list[Metric]:
        """Nothing to tell before the first scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What Prometheus gets."""
        yield self._ledger()
        yield self._quarantine()
        yield self._datasets()
        yield from self._drift()

    def _ledger(self) -> Metric:
        from ml.journey.run import database_of
        from ml.store.ledger import read

        family = CounterMetricFamily(
            "vigie_ledger_entries", "Entries of the ledger.", labels=["action"]
        )
        entries = read(database_of(self._workspace))
        for action, count in sorted(Counter(entry.action for entry in entries).items()):
            family.add_metric([action], count)
        return family

    def _quarantine(self) -> Metric:
        folder = self._workspace.quarantine
        count = sum(1 for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else 0
        return GaugeMetricFamily("vigie_quarantined_images", "Images kept aside.", value=count)

    def _datasets(self) -> Metric:
        count = sum(1 for _ in self._workspace.datasets.glob("*/dataset.json"))
        return GaugeMetricFamily("vigie_datasets", "Frozen datasets.", value=count)

    def _drift(self) -> Iterator[Metric]:
        from ml.journey.drift import drift_history

        history = drift_history(self._workspace)
        if not history:
            return
        newest = history[-1]
        state = GaugeMetricFamily(
            "vigie_drift_state", "1 for the state of the newest window.", labels=["state"]
        )
        for name in _DRIFT_STATES:
            state.add_metric([name], float(newest.state == name))
        yield state
        yield GaugeMetricFamily(
            "vigie_drifted_share",
            "Share of signals that moved in the newest window.",
            value=newest.drifted_share,
        )
        yield GaugeMetricFamily(
            "vigie_drift_window_end_seconds",
            "End of the newest window, Unix time.",
            value=newest.window_end.timestamp(),
        )
