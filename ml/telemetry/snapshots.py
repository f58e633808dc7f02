"""Reading many sources for one scrape, none of which may make it slow."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Read = Callable[[], Iterable[Metric]]
"""Reads one source; may take long, and may raise whatever its source raises."""

_READING_SHARE = 0.05
_logger = logging.getLogger(__name__)


class Snapshots(Collector):
    """The newest reading of every source.

    A scrape begins to read what is due and waits `patience` seconds at most; what takes longer is
    shown by a later scrape. A source is read again after `rest` seconds, or later where reading
    takes long: it takes a twentieth of the time at most. One that fails keeps its last reading
    and says so in `vigie_pipeline_read_success`.
    """

    def __init__(
        self, sources: Mapping[str, Read], *, patience: float = 4.0, rest: float = 10.0
    ) -> None:
        self._patience = patience
        self._snapshots = [_Snapshot(name, read, rest) for name, read in sources.items()]

    def describe(self) -> list[Metric]:
        """Nothing to tell before the first scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What Prometheus gets."""
        deadline = time.monotonic() + self._patience
        for snapshot in self._snapshots:
            snapshot.begin()
        for snapshot in self._snapshots:
            snapshot.wait(max(0.0, deadline - time.monotonic()))
        for snapshot in self._snapshots:
            yield from snapshot.families
        yield from self._about_reading()

    def _about_reading(self) -> Iterator[Metric]:
        success = GaugeMetricFamily(
            "vigie_pipeline_read_success",
            "Whether the newest finished reading of this source succeeded.",
            labels=["source"],
        )
        seconds = GaugeMetricFamily(
            "vigie_pipeline_read_duration_seconds",
            "How long it took.",
            labels=["source"],
        )
        read_at = GaugeMetricFamily(
            "vigie_pipeline_read_timestamp_seconds",
            "When the reading that is shown was finished, Unix time.",
            labels=["source"],
        )
        for snapshot in self._snapshots:
            if snapshot.seconds is not None:
                success.add_metric([snapshot.name], not snapshot.trouble)
                seconds.add_metric([snapshot.name], snapshot.seconds)
            if snapshot.read_at is not None:
                read_at.add_metric([snapshot.name], snapshot.read_at)
        yield from (success, seconds, read_at)


class _Snapshot:
    """One source's newest reading. `seconds` and `read_at` are None before the first."""

    def __init__(self, name: str, read: Read, rest: float) -> None:
        self.name = name
        self.families: list[Metric] = []
        self.seconds: float | None = None
        self.read_at: float | None = None
        self.trouble = ""
        self._read = read
        self._rest = rest
        self._due = 0.0
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Read in a thread, unless one does or nothing is due."""
        with self._starting:
            if self._is_reading() or time.monotonic() < self._due:
                return
            self._thread = threading.Thread(
                target=self._run, name=f"metrics-{self.name}", daemon=True
            )
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for a reading that is under way."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _is_reading(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self.families = list(self._read())
            self.read_at = time.time()
        except Exception as error:  # one source's fault must not hide the others
            self._say(f"{type(error).__name__}: {error}")
        else:
            self._say("")
        self.seconds = time.monotonic() - started
        self._due = time.monotonic() + max(self._rest, self.seconds / _READING_SHARE)

    def _say(self, trouble: str) -> None:
        # One line when something changes, not one per scrape.
        if trouble and trouble != self.trouble:
            _logger.warning("metrics of %s cannot be read: %s", self.name, trouble)
        self.trouble = trouble
