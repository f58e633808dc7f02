"""What else than workers runs out as images grow, the price, and the availability: arithmetic."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capacity_measured import Measured
from capacity_simulation import Burst

_DAY, _MONTH_DAYS = 86400.0, 30.0
_MONTH = _DAY * _MONTH_DAYS


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table; `redundant`: one host and one region may be lost in the busiest minute
    where there are several."""

    name: str
    per_day: float
    hour: float
    minute: float
    regions: int
    redundant: bool

    @property
    def burst(self) -> Burst:
        """The shape of its busiest hour."""
        return Burst(self.hour, self.minute)

    @property
    def peak(self) -> float:
        """Images a second in the busiest minute."""
        return self.per_day / _DAY * self.minute


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The tables of capacity.toml by name; see there."""

    p99_seconds: float
    tables: Mapping[str, Mapping[str, float]]
    steps: list[Step]

    @classmethod
    def read(cls, path: Path) -> "Assumptions":
        """From a file like capacity.toml."""
        content: dict[str, Any] = tomllib.loads(path.read_text())
        steps = [Step(**step) for step in content.pop("steps")]
        return cls(content.pop("p99_ms") / 1e3, content, steps)


@dataclass(frozen=True, slots=True)
class Limit:
    """`one` unit of something is enough up to so many images a day; then `remedy`."""

    name: str
    images_per_day: float
    remedy: str


def limits(step: Step, measured: Measured, given: Assumptions) -> list[Limit]:
    """Where one unit of each part ends, in the burst shape of `step`; the earliest first."""
    host, bound, data = (given.tables[name] for name in ("host", "limits", "data"))
    replica = replica_rate(measured)
    per_host = host["cores"] // measured.workers
    network = host["network_gbit"] * 1e9 / 8
    ingested = data["ingested_share"]
    reload_replicas = bound["reload_seconds"] * network / measured.bundle_bytes
    shards = ingested / _SHARD_IMAGES * bound["shard_tasks"] * step.hour
    found = [
        Limit("CPU of one replica", replica / step.minute, "add replicas"),
        Limit("one host", replica * per_host / step.minute, "add hosts"),
        Limit(
            "one proxy's cell of replicas",
            replica * bound["cell_replicas"] / step.minute,
            "cells, each with its proxy, behind DNS or a load balancer",
        ),
        Limit(
            "network of the proxy's host",
            network / 2 / (data["file_kb"] * 1e3) / step.minute,
            "more proxies; smaller files",
        ),
        Limit(
            "PostgreSQL: rows inserted",
            measured.insert_rows_per_second / step.hour,
            "a database a region; the outbox evens out a minute, not an hour",
        ),
        Limit(
            "PostgreSQL: log of answers kept",
            bound["database_tb"] * 1e12 / (measured.row_bytes * data["kept_days"]) / _DAY,
            "a lower `monitoring.keep_days`: older answers become Parquet files",
        ),
        Limit(
            "reload fan-out of one bucket",
            reload_replicas * replica / step.minute,
            "a cache of bundles on each host or region",
        ),
        Limit("Airflow: ingest's tasks", bound["airflow_tasks"] / shards, "larger shards"),
        Limit(
            "ingest on one core",
            bound["ingest_images"] / (ingested * step.hour),
            "Celery workers",
        ),
        Limit(
            "bucket: images written",
            bound["object_writes"] / (ingested * step.hour),
            "prefixes by region",
        ),
        Limit(
            "near-duplicate index in one host's memory",
            host["memory_gb"]
            * 1e9
            / (measured.audit_bytes_per_image * ingested * data["kept_days"])
            / _DAY,
            "audit by patient's region, or an index on disk",
        ),
    ]
    in_a_day = [Limit(limit.name, limit.images_per_day * _DAY, limit.remedy) for limit in found]
    return sorted(in_a_day, key=lambda limit: limit.images_per_day)


_SHARD_IMAGES = 2000  # data.shard_images


def replica_rate(measured: Measured) -> float:
    """Images a second of a replica that is always busy."""
    return measured.workers / measured.service().mean(measured.workers)


@dataclass(frozen=True, slots=True)
class Bought:
    """What a step takes in all regions together."""

    replicas: int
    hosts: int
    cores: int


def buy(step: Step, needed: int, measured: Measured, given: Assumptions) -> Bought:
    """From the replicas that the busiest minute needs to what stands there when parts may fail."""
    per_host = int(given.tables["host"]["cores"] // measured.workers)
    others = step.regions - 1
    each = math.ceil(needed / max(others, 1))  # one region may be lost where there are others
    hosts = math.ceil(each / per_host)
    if step.redundant:
        if hosts == 1:
            each, hosts = 2 * each, 2
        else:
            each, hosts = each + per_host, hosts + 1
    replicas = each * step.regions
    other = int(given.tables["prices"]["other_cores"])
    cores = replicas * measured.workers + other * step.regions
    return Bought(replicas, hosts * step.regions, cores)


def euros_a_month(step: Step, bought: Bought, measured: Measured, given: Assumptions) -> float:
    """Cores, the log of answers, and ingested images, once they fill the days they are kept."""
    prices, data = given.tables["prices"], given.tables["data"]
    kept = step.per_day * data["kept_days"]
    return (
        bought.cores * prices["core_month"]
        + kept * measured.row_bytes / 1e9 * prices["database_gb_month"]
        + kept * data["ingested_share"] * data["file_kb"] / 1e6 * prices["object_gb_month"]
    )


def availability(step: Step, bought: Bought, measured: Measured, given: Assumptions) -> float:
    """Share of the time in which somebody answers, where failures are independent."""
    failures = given.tables["failures"]
    down = failures["crashes_month"] * measured.start / _MONTH
    hosts = bought.hosts // step.regions
    replicas = bought.replicas // step.regions
    one_region = (
        failures["region_availability"]
        * (1 - (1 - failures["host_availability"]) ** hosts)
        * (1 - down**replicas)
    )
    return 1 - (1 - one_region) ** step.regions
