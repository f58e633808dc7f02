"""The data in numbers: batches, quarantine, datasets, and what waits in the landing zone."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, get_args

from prometheus_client.core import Metric

from ml.data.batches import Batch, State, list_batches
from ml.data.landing import contents
from ml.data.manifest import manifest_files
from ml.data.quarantine import open_records
from ml.data.repeats import REPEATED
from ml.data.storage import found, reaching
from ml.journey.landing import Waiting, waiting
from ml.journey.workspace import Workspace
from ml.params import Params
from ml.telemetry.families import counters, gauge, gauges, moment
from ml.telemetry.remembered import Remembered


class BatchNumbers:
    """What became of the files that were delivered."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def read(self) -> Iterator[Metric]:
        """All families.

        Raises:
            Unavailable: a bucket does not answer.
        """
        with reaching():
            batches = list_batches(self._workspace.batches, self._workspace.manifest)
        states = Counter(batch.state for batch in batches)
        yield gauges(
            "vigie_batches",
            "Batches by what became of them.",
            ["state"],
            {state: states[state] for state in get_args(State)},
        )
        yield from _files([batch for batch in batches if batch.state == "committed"])
        unsettled = [b.planned_at for b in batches if b.state in ("planned", "ingested")]
        if unsettled:
            yield moment(
                "vigie_batch_oldest_unsettled_timestamp_seconds",
                "When the oldest batch was planned that is neither committed nor held",
                min(unsettled),
            )


def _files(committed: list[Batch]) -> Iterator[Metric]:
    reports = [(batch, batch.report) for batch in committed if batch.report is not None]
    accepted = sum(report.accepted for _, report in reports)
    rejected: Counter[str] = Counter()
    for _, report in reports:
        rejected.update(report.rejected)
    repeated = rejected.pop(REPEATED, 0)
    outcomes = {"accepted": accepted, "rejected": rejected.total(), "repeated": repeated}
    yield counters(
        "vigie_ingested_files",
        "Files of committed batches: accepted, rejected, or known before.",
        ["outcome"],
        outcomes,
    )
    yield counters(
        "vigie_rejected_files",
        "Files of committed batches that were rejected, by the first reason.",
        ["reason"],
        rejected,
    )
    taken = [batch.planned_at for batch, report in reports if report.accepted]
    if taken:
        yield moment(
            "vigie_newest_image_timestamp_seconds",
            "When the newest batch with an accepted image was planned",
            max(taken),
        )


class QuarantineNumbers:
    """The files that wait for a decision."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._codes = Remembered(_code)

    def read(self) -> Iterator[Metric]:
        """All families.

        Raises:
            Unavailable: a bucket does not answer.
        """
        with reaching():
            codes = self._codes.read(open_records(self._workspace.quarantine))
        yield gauges(
            "vigie_quarantined_files",
            "Files in quarantine that nobody has decided on, by the main fault.",
            ["code"],
            Counter(codes.values()),
        )


def _code(record: bytes) -> str:
    return str(json.loads(record)["faults"][0]["code"])


class DatasetNumbers:
    """The datasets, and what the newest is made of."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._records = Remembered(json.loads)

    def read(self) -> Iterator[Metric]:
        """All families.

        Raises:
            Unavailable: a bucket does not answer.
        """
        with reaching():
            records = self._records.read(found(self._workspace.datasets, "*/dataset.json"))
        yield gauge("vigie_datasets", "Frozen datasets.", len(records))
        if records:
            yield from _newest(max(records.values(), key=lambda record: record["created_at"]))


def _newest(record: Mapping[str, Any]) -> Iterator[Metric]:
    yield gauges(
        "vigie_dataset_info",
        "1 for the newest dataset.",
        ["dataset_id"],
        {record["dataset_id"]: 1},
    )
    yield moment(
        "vigie_dataset_created_timestamp_seconds",
        "When the newest dataset was frozen",
        datetime.fromisoformat(record["created_at"]),
    )
    yield gauges(
        "vigie_dataset_images",
        "Images of the newest dataset.",
        ["split", "label"],
        {
            (split, label): count
            for split, labels in record["per_split"].items()
            for label, count in labels.items()
        },
    )
    yield gauge("vigie_dataset_groups", "Independent groups of its images.", record["groups"])
    yield gauges(
        "vigie_dataset_left_out_images",
        "Accepted images that are not in it, by why.",
        ["reason"],
        {reason: record.get(reason, 0) for reason in ("waiting", "set_aside", "disputed")},
    )


class LandingNumbers:
    """What has landed and was not taken in; looked at closely only when something changed."""

    def __init__(self, workspace: Workspace, params: Callable[[], Params]) -> None:
        self._workspace = workspace
        self._params = params
        self._seen: object = None
        self._waiting = Waiting(files=0, oldest=None)

    def read(self) -> Iterator[Metric]:
        """All families.

        Raises:
            NotFound: there is no landing zone.
            InputError: its CSV cannot be read.
            Unavailable: a bucket does not answer.
        """
        with reaching():
            seen = (contents(self._workspace.landing), manifest_files(self._workspace.manifest))
        if seen != self._seen:
            self._waiting = waiting(self._workspace, self._params())
            self._seen = seen
        yield gauge(
            "vigie_landing_waiting_files",
            "Files in the landing zone that are neither accepted nor rejected.",
            self._waiting.files,
        )
        if self._waiting.oldest is not None:
            yield moment(
                "vigie_landing_oldest_timestamp_seconds",
                "When the oldest of them arrived",
                self._waiting.oldest,
            )
