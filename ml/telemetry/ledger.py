"""The ledger in numbers: who decides how often, and what the gates made of the candidates."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import get_args

from prometheus_client.core import Metric
from sqlalchemy import Engine

from ml.contract.records import LedgerAction, LedgerEntry
from ml.store import ledger
from ml.telemetry.families import counters, gauge, gauges

_VERDICTS = ("promote", "refuse")


class LedgerNumbers:
    """Reads each line once: the ledger only grows."""

    def __init__(self, database: Callable[[], Engine]) -> None:
        self._database = database
        self._read_up_to = 0
        # All of them from the first scrape on, since a rise from nothing is none to Prometheus.
        self._entries: Counter[str] = Counter(dict.fromkeys(get_args(LedgerAction), 0))
        self._newest: dict[str, datetime] = {}
        self._verdicts: Counter[str] = Counter(dict.fromkeys(_VERDICTS, 0))
        self._refused_since = 0

    def read(self) -> Iterator[Metric]:
        """All families.

        Raises:
            LedgerBroken: a line cannot be read.
            Unavailable: the database does not answer.
        """
        for entry in ledger.read(self._database(), after=self._read_up_to):
            self._take(entry)
        yield counters(
            "vigie_ledger_entries",
            "Entries of the ledger.",
            ["action"],
            self._entries,
        )
        yield gauges(
            "vigie_ledger_last_entry_timestamp_seconds",
            "When this was last entered, Unix time.",
            ["action"],
            {action: at.timestamp() for action, at in self._newest.items()},
        )
        yield counters(
            "vigie_gate_decisions",
            "Candidates that the gates let pass or refused.",
            ["verdict"],
            self._verdicts,
        )
        yield gauge(
            "vigie_gate_refusals_since_promotion",
            "Candidates that the gates refused since a model was last promoted.",
            self._refused_since,
        )

    def _take(self, entry: LedgerEntry) -> None:
        self._read_up_to = entry.sequence
        self._entries[entry.action] += 1
        self._newest[entry.action] = entry.at
        verdict = entry.evidence.get("verdict")
        if entry.action == "gate" and verdict in _VERDICTS:
            self._verdicts[str(verdict)] += 1
            self._refused_since += verdict == "refuse"
        elif entry.action == "promote":
            self._refused_since = 0
