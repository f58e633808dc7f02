"""How many replicas do so many images a day need, what breaks first, and what does it cost?

uv run python benchmarks/capacity.py [--measured FILE] [--assumptions FILE] [--json FILE]

Service times of a real server, rows a second of a real PostgreSQL and memory of the real leak audit
are measured on this machine, or read with --measured from what an earlier run kept by --keep. A
discrete-event simulation of the busiest hour then finds the fewest replicas whose busiest minute is
answered within the bound; arithmetic over `capacity.toml` says what else runs out, and the price.

The simulation is held against the measured server at 0.3, 0.6 and 0.8 of what its workers can do:
`p50_ratio_…`, `p99_ratio_…` are predicted over measured latency, by service times taken before and
after; `…_same_run` by those of the very requests. `erlang_c_ratio`: simulated over exact mean wait
of M/M/16 at 0.8.
"""

import argparse
import math
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from figures import print_goals, write_figures
from serving_bundle import ENSEMBLE, ROOT, ensure_bundle

sys.path.insert(0, str(ROOT))  # the PostgreSQL of the tests is of use here

from capacity_limits import (
    Assumptions,
    Bought,
    Limit,
    Step,
    availability,
    buy,
    euros_a_month,
    limits,
    replica_rate,
)
from capacity_measured import LOADS, Measured, OfferedLoad, measure
from capacity_simulation import (
    Autoscaler,
    Failure,
    Outcome,
    Platform,
    Service,
    busy_requests,
    erlang_c_wait,
    simulate,
    steady_requests,
)

SEED, MODEL_SIDE = 20, 224
VALIDATION_REQUESTS = 20_000
ASSUMPTIONS = Path(__file__).with_name("capacity.toml")
GOALS = {
    "erlang_c_ratio": "0.95 to 1.05",
    "p50_ratio_at_0.6": "0.8 to 1.25",
    "p99_ratio_at_0.6": "0.67 to 1.5",
}


@dataclass(frozen=True, slots=True)
class Sized:
    """A step, the fewest replicas that keep its bound, and its busiest minute on them.

    `grown`: share answered in the end where the platform was sized for the hour around the minute
    and the autoscaler has to add the rest; `crashed`: where one replica dies in the minute.
    """

    step: Step
    needed: int
    p50: float
    p99: float
    crashed: float
    grown: float
    grown_p99: float
    bought: Bought


def main() -> None:
    """Measure or read, validate, size, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measured", type=Path, help="what an earlier run kept")
    parser.add_argument("--keep", type=Path, help="keep what is measured, for --measured")
    parser.add_argument("--assumptions", type=Path, default=ASSUMPTIONS, help="prices and limits")
    parser.add_argument("--core-month", type=float, help="euros, instead of prices.core_month")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "benchmarks")
    parser.add_argument("--bundle", type=Path, help="the model, instead of random weights")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of a replica")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load on the server")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    given = Assumptions.read(arguments.assumptions)
    if arguments.core_month is not None:
        prices = {**given.tables["prices"], "core_month": arguments.core_month}
        given = replace(given, tables={**given.tables, "prices": prices})
    if arguments.measured:
        measured = Measured.read(arguments.measured)
    else:
        bundle = arguments.bundle or ensure_bundle(
            arguments.work / f"ensemble-{MODEL_SIDE}-int8", ENSEMBLE, MODEL_SIDE, seed=SEED
        )
        measured = measure(bundle.resolve(), arguments.work, arguments.workers, arguments.seconds)
    if arguments.keep:
        measured.write(arguments.keep)
    started = time.monotonic()
    figures = validate(measured) | {
        "service_ms_alone": round(1e3 * float(np.mean(measured.alone)), 1),
        "service_ms_together": round(1e3 * float(np.mean(measured.together)), 1),
        "overhead_ms": round(1e3 * float(np.mean(measured.overhead)), 1),
        "images_per_second_of_a_replica": round(replica_rate(measured), 1),
        "start_seconds": round(measured.start, 1),
        "insert_rows_per_second": round(measured.insert_rows_per_second),
        "row_bytes": round(measured.row_bytes),
        "audit_bytes_per_image": round(measured.audit_bytes_per_image),
        "bundle_mb": round(measured.bundle_bytes / 1e6, 1),
    }
    for name, value in figures.items():
        print(f"{name}: {value}")
    sized = [size(step, measured, given) for step in given.steps]
    print_steps(sized, measured, given)
    figures["steps"] = [_as_figures(entry, measured, given) for entry in sized]
    figures["simulated_seconds"] = round(time.monotonic() - started, 1)
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, workers=measured.workers)


def validate(measured: Measured) -> dict[str, object]:
    """The simulation beside an exact result and beside the real server."""
    shares = (np.arange(VALIDATION_REQUESTS) + 0.5) / VALIDATION_REQUESTS
    exponential = Service({1: -np.log1p(-shares) * 0.1})
    requests = steady_requests(16 * 0.8 / 0.1, 40 * VALIDATION_REQUESTS, seed=SEED)
    outcome = simulate(Platform(1, 16, queue_limit=10**9), requests, exponential)
    wait = float(np.mean(outcome.inside)) - 0.1
    figures: dict[str, object] = {
        "erlang_c_ratio": round(wait / erlang_c_wait(16 * 0.8 / 0.1, 0.1, 16), 3)
    }
    for share, load in zip(LOADS, measured.loads, strict=True):
        measured_at = [float(np.quantile(load.latency, level)) for level in (0.5, 0.99)]
        figures[f"measured_ms_at_{share}"] = [round(1e3 * value) for value in measured_at]
        for suffix, service in (("", measured.service()), ("_same_run", _of(load, measured))):
            predicted = _predict(load, service, measured.workers)
            for name, ours, theirs in zip(("p50", "p99"), predicted, measured_at, strict=True):
                figures[f"{name}_ratio_at_{share}{suffix}"] = round(ours / theirs, 2)
    return figures


def _of(load: OfferedLoad, measured: Measured) -> Service:
    return Service({1: np.array(load.worker)}, np.array(measured.overhead))


def _predict(load: OfferedLoad, service: Service, workers: int) -> list[float]:
    requests = steady_requests(load.rate, VALIDATION_REQUESTS, seed=SEED)
    outcome = simulate(Platform(1, workers), requests, service)
    return [outcome.quantile(level) for level in (0.5, 0.99)]


def size(step: Step, measured: Measured, given: Assumptions) -> Sized:
    """The fewest replicas that answer 99 % of the busiest minute within the bound, none refused."""
    service, rate = measured.service(), replica_rate(measured)
    least = max(1, math.ceil(step.peak / rate))
    cells = math.ceil(least / given.tables["limits"]["cell_replicas"])
    requests, busiest = busy_requests(step.per_day / cells, step.burst, seed=SEED)
    within = np.flatnonzero(busiest)

    def run(platform: Platform) -> Outcome:
        return simulate(platform, requests, service)

    replicas = math.ceil(least / cells)
    while not _keeps(run(Platform(replicas, measured.workers)), busiest, given.p99_seconds):
        replicas += 1
    outcome = run(Platform(replicas, measured.workers))
    bought = buy(step, replicas * cells, measured, given)
    standing = max(replicas, round(bought.replicas / cells)) if step.redundant else replicas
    middle = float(requests.at[within].mean())
    crash = Failure(middle, measured.start)
    crashed = run(Platform(standing, measured.workers, failures=[crash]))
    hourly = max(1, math.ceil(step.per_day / 86400 * step.hour / rate / cells))
    scaler = Autoscaler(largest=standing, delay=given.tables["autoscaler"]["delay"])
    grown = run(Platform(min(hourly, replicas), measured.workers, autoscaler=scaler))
    return Sized(
        step=step,
        needed=replicas * cells,
        p50=outcome.quantile(0.5, busiest),
        p99=outcome.quantile(0.99, busiest),
        crashed=float(np.isfinite(crashed.seconds[busiest]).mean()),
        grown=float(np.isfinite(grown.seconds[busiest]).mean()),
        grown_p99=grown.quantile(0.99, busiest),
        bought=bought,
    )


def _keeps(outcome: Outcome, busiest: np.ndarray, bound: float) -> bool:
    return outcome.quantile(0.99, busiest) <= bound and outcome.answered_at_once == 1.0


def print_steps(sized: list[Sized], measured: Measured, given: Assumptions) -> None:
    """Both tables, as Markdown."""
    print(
        "\n| images a day | busiest minute, images/s | replicas for p99 | bought: replicas, hosts, "
        "cores | p50 / p99 ms | a crash in it: answered | sized for its hour, autoscaled: "
        "answered, p99 ms | availability | €/month | €/1,000 |\n" + "|---" * 10 + "|"
    )
    told = given.tables["reported"]
    print(
        f"| first version, as reported | | | | {told['p50_ms']:.0f} / | | | "
        f"{told['availability']:.1%} | {told['euros_month']:,.0f} | "
        f"{_euros_per_1000(told['euros_month'], told['per_day']):.3f} |"
    )
    for entry in sized:
        step, bought = entry.step, entry.bought
        month = euros_a_month(step, bought, measured, given)
        print(
            f"| {step.name} | {step.peak:,.1f} | {entry.needed:,} | {bought.replicas:,}, "
            f"{bought.hosts:,}, {bought.cores:,} | {1e3 * entry.p50:.0f} / {1e3 * entry.p99:.0f} | "
            f"{entry.crashed:.2%} | {entry.grown:.2%}, {_milliseconds(entry.grown_p99)} | "
            f"{_independent(availability(step, bought, measured, given))} | {month:,.0f} | "
            f"{_euros_per_1000(month, step.per_day):.3f} |"
        )
    print("\n| from | to | one is used up at images a day | then |\n|---|---|---|---|")
    before = 0.0
    for entry in sized:
        for limit in first_broken(entry.step, before, measured, given):
            print(
                f"| {before:,.0f} | {entry.step.per_day:,.0f} | {limit.name}: "
                f"{limit.images_per_day:,.0f} | {limit.remedy} |"
            )
        before = entry.step.per_day
    print()


def first_broken(step: Step, before: float, measured: Measured, given: Assumptions) -> list[Limit]:
    """What runs out between the step before and this one, the first first."""
    return [
        limit
        for limit in limits(step, measured, given)
        if before < limit.images_per_day <= step.per_day
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f}" if math.isfinite(seconds) else "not answered"


def _independent(share: float) -> str:
    """An availability, as far as independence of failures can be believed."""
    return "over 99.99%" if share > 0.9999 else f"{share:.2%}"


def _euros_per_1000(month: float, per_day: float) -> float:
    return 1e3 * month / (30 * per_day)


def _as_figures(entry: Sized, measured: Measured, given: Assumptions) -> dict[str, object]:
    month = euros_a_month(entry.step, entry.bought, measured, given)
    return {
        "name": entry.step.name,
        "per_day": entry.step.per_day,
        "replicas_needed": entry.needed,
        "replicas": entry.bought.replicas,
        "hosts": entry.bought.hosts,
        "cores": entry.bought.cores,
        "p50_ms": round(1e3 * entry.p50),
        "p99_ms": round(1e3 * entry.p99),
        "answered_in_a_crash": round(entry.crashed, 5),
        "answered_autoscaled": round(entry.grown, 5),
        "availability": round(availability(entry.step, entry.bought, measured, given), 6),
        "euros_a_month": round(month),
        "euros_per_1000": round(_euros_per_1000(month, entry.step.per_day), 4),
    }


if __name__ == "__main__":
    main()
