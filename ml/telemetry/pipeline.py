"""All of the pipeline's sources but Airflow's own database."""

import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from prometheus_client.core import Metric
from sqlalchemy import Engine

from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.params import Params
from ml.telemetry.data import BatchNumbers, DatasetNumbers, LandingNumbers, QuarantineNumbers
from ml.telemetry.decisions import DatabaseNumbers, GateNumbers
from ml.telemetry.families import gauge
from ml.telemetry.ledger import LedgerNumbers
from ml.telemetry.monitor import MonitorNumbers
from ml.telemetry.snapshots import Read


def sources_of(workspace: Workspace, params: Callable[[], Params]) -> dict[str, Read]:
    """How each source of one workspace is read, by name; nothing is read yet."""

    @lru_cache(1)
    def database() -> Engine:
        return database_of(workspace)

    return {
        "ledger": LedgerNumbers(database).read,
        "database": DatabaseNumbers(database).read,
        "gates": GateNumbers(workspace).read,
        "monitor": MonitorNumbers(workspace, params).read,
        "batches": BatchNumbers(workspace).read,
        "quarantine": QuarantineNumbers(workspace).read,
        "datasets": DatasetNumbers(workspace).read,
        "landing": LandingNumbers(workspace, params).read,
        "disk": lambda: _disk(workspace.home),
    }


def _disk(home: Path) -> Iterator[Metric]:
    usage = shutil.disk_usage(home)
    yield gauge(
        "vigie_home_free_bytes", "Free space where the pipeline keeps its state.", usage.free
    )
    yield gauge(
        "vigie_home_size_bytes", "Size of the disk where the pipeline keeps its state.", usage.total
    )
