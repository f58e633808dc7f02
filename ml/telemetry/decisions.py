"""What people and gates decide, and what waits for a person."""

from collections.abc import Callable, Iterator
from typing import get_args

from prometheus_client.core import Metric
from sqlalchemy import Engine

from ml.contract.records import ReviewKind
from ml.data.storage import found
from ml.evaluation.gate_results import GateDecision
from ml.journey.workspace import Workspace
from ml.store.feedback import newest_feedback
from ml.store.predictions import newest_prediction
from ml.store.review import count_open
from ml.telemetry.families import gauges, moment
from ml.telemetry.remembered import Remembered


class GateNumbers:
    """The gates of the candidate that was judged last."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._decisions = Remembered(_decision)

    def read(self) -> Iterator[Metric]:
        """All families; none before the first decision."""
        files = found(self._workspace.run(""), "*/gate.json")
        if not files:
            return
        newest = max(files, key=lambda path: path.stat().st_mtime)
        decision = self._decisions.read([newest])[newest]
        if decision is None:
            return
        yield gauges(
            "vigie_gate_passed",
            "1 for each gate that the candidate judged last passed, 0 for the others.",
            ["gate", "blocking"],
            {
                (result.name, str(result.blocking).lower()): result.verdict == "pass"
                for result in decision.results
            },
        )


def _decision(content: bytes) -> GateDecision | None:
    try:
        return GateDecision.model_validate_json(content)
    except ValueError:  # of another release
        return None


class DatabaseNumbers:
    """The review list, and how fresh the log of answers and the labels are."""

    def __init__(self, database: Callable[[], Engine]) -> None:
        self._database = database

    def read(self) -> Iterator[Metric]:
        """All families.

        Raises:
            Unavailable: the database does not answer.
        """
        database = self._database()
        waiting = count_open(database)
        yield gauges(
            "vigie_review_open_items",
            "Labels in doubt that wait for a person.",
            ["kind"],
            {kind: waiting[kind][0] if kind in waiting else 0 for kind in get_args(ReviewKind)},
        )
        yield gauges(
            "vigie_review_oldest_timestamp_seconds",
            "Since when the oldest of them waits, Unix time.",
            ["kind"],
            {kind: since.timestamp() for kind, (_, since) in waiting.items()},
        )
        for name, what, newest in (
            ("prediction", "the newest answer in the log was given", newest_prediction),
            ("feedback", "the newest label was given", newest_feedback),
        ):
            at = newest(database)
            if at is not None:
                yield moment(f"vigie_newest_{name}_timestamp_seconds", f"When {what}", at)
