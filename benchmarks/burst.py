"""A busy minute that lasts: the worst minute of 10,000 images a day, held while things break.

uv run python benchmarks/burst.py [--minutes 10] [--images-per-day N] [--json FILE]

Two real replicas behind the deployed proxy's configuration, a real PostgreSQL and a real MLflow
registry answer 5.8 images/s (50 times the mean of the day; Poisson, nobody waits for anybody). At a
fifth of the time another version is promoted; at two fifths the database dies by `kill -9` and is
started again; at three fifths a replica dies by `kill -9` and is started again; at four fifths the
first version is put back.

`lost`: answers whose request is not in the database's log exactly once at the end. `unanswered`:
images without an answer in the end. `availability_first_try` and `availability`: shares that were
answered at the first try, and after what the client repeats by its own rules. It repeats nothing
that may have been done, so what a killed replica held is `asked_again` by the caller, as a person
would.
Latency runs from when a request was due to its answer, all repetitions included.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from figures import print_goals, write_figures
from serving_bundle import ENSEMBLE, ROOT, ensure_bundle, phantom_files

sys.path.insert(0, str(ROOT))  # the processes of the tests are of use here

from burst_load import BurstLoad, Reply
from burst_platform import BurstPlatform, burst_platform, wait_until_ready

from ml.contract.bundle import BUNDLE_FILE, open_bundle
from ml.params import load_params
from ml.store.database import open_database
from ml.store.predictions import read_predictions
from serving.outbox import Outbox

BURST_FACTOR = 50
FILES, IMAGE_SIDE, MODEL_SIDE = 8, 1024, 224
DOWN_SECONDS = 5.0
DRAIN_SECONDS = 120.0
NEAR_SECONDS = 30.0
P99_MS = load_params(ROOT / "params.toml").gates.latency_p99_ms
GOALS = {
    "lost": "0",
    "unanswered": "0",
    "availability": ">= 0.998",
    "p99_ms": f"<= {P99_MS:.0f}",
}


@dataclass(frozen=True, slots=True)
class Event:
    """What was done to the platform: `at` on the monotonic clock, over after `seconds`."""

    name: str
    at: float
    seconds: float


def main() -> None:
    """Hold the burst, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--images-per-day", type=float, default=10_000)
    parser.add_argument("--workers", type=int, default=1, help="of each of the two replicas")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "benchmarks")
    parser.add_argument("--bundle", type=Path, help="the model, instead of random weights")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    bundle = arguments.bundle or ensure_bundle(
        arguments.work / f"ensemble-{MODEL_SIDE}-int8", ENSEMBLE, MODEL_SIDE, seed=20
    )
    rate = arguments.images_per_day / 86400 * BURST_FACTOR
    with tempfile.TemporaryDirectory(prefix="vigie-burst-") as folder:
        figures = hold(
            Path(folder),
            [bundle.resolve(), _another_version(bundle, Path(folder) / "second")],
            phantom_files(FILES, IMAGE_SIDE),
            rate=rate,
            seconds=60 * arguments.minutes,
            workers=arguments.workers,
        )
    for name, value in figures.items():
        print(f"{name}: {value}")
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, workers=arguments.workers)


def _another_version(bundle: Path, folder: Path) -> Path:
    """The same weights as a model of another run: another identity, all else to be loaded anew."""
    shutil.copytree(bundle, folder)
    content = json.loads((folder / BUNDLE_FILE).read_text())
    (folder / BUNDLE_FILE).write_text(json.dumps(content | {"run_key": "another-run"}))
    open_bundle(folder)
    return folder


def hold(
    folder: Path,
    bundles: Sequence[Path],
    files: list[bytes],
    *,
    rate: float,
    seconds: float,
    workers: int,
) -> dict[str, object]:
    """Hold `rate` images/s for so many seconds while things break; the figures.

    Args:
        bundles: the first and the second version in production.
    """
    with burst_platform(folder, bundles[0], workers=workers) as platform:
        with BurstLoad(platform.url, files, rate, seed=20) as load:
            events = _break_things(platform, bundles, seconds)
        outbox = Outbox(platform.home / "serving" / "outbox.sqlite")
        deadline = time.monotonic() + DRAIN_SECONDS
        while outbox.depth() and time.monotonic() < deadline:
            time.sleep(0.2)
        database = open_database(platform.postgres.url)
        stored = Counter(record.request_id for record in read_predictions(database))
        database.dispose()
    return _figures(load.replies, stored, events)


def _break_things(platform: BurstPlatform, bundles: Sequence[Path], seconds: float) -> list[Event]:
    started = time.monotonic()
    events = []
    version = next(iter(platform.versions()))

    def promote(bundle: Path, run_key: str) -> None:
        nonlocal version
        version = platform.register_and_promote(bundle, run_key, version)
        _wait_until(lambda: platform.versions() == {version})

    def roll_back() -> None:
        nonlocal version
        version = platform.roll_back(version)
        _wait_until(lambda: platform.versions() == {version})

    def restart(part, wait) -> None:
        part.kill()
        time.sleep(min(DOWN_SECONDS, seconds / 20))
        part.start()
        wait()

    replica = platform.replicas[1]
    plan = (
        ("promotion", lambda: promote(bundles[1], "second")),
        ("database", lambda: restart(platform.postgres, lambda: None)),
        ("replica", lambda: restart(replica, lambda: wait_until_ready(replica.url))),
        ("rollback", roll_back),
    )
    for number, (name, act) in enumerate(plan, 1):
        time.sleep(max(0.0, started + seconds * number / (len(plan) + 1) - time.monotonic()))
        at = time.monotonic()
        act()
        events.append(Event(name, at, time.monotonic() - at))
        print(f"{name}: {events[-1].seconds:.1f} s", flush=True)
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    return events


def _wait_until(true) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("the replicas do not take up what was promoted")
        time.sleep(0.2)


def _figures(replies: list[Reply], stored: Counter[str], events: list[Event]) -> dict[str, object]:
    answered = [reply for reply in replies if reply.request_id is not None]
    stages = Counter(reply.stage for reply in replies)
    for fault, count in Counter(reply.fault for reply in replies if reply.fault).most_common(5):
        print(f"{count} times: {fault}")
    first = stages["first"] / len(replies)
    latencies = 1e3 * np.array([reply.seconds for reply in answered])
    calm = 1e3 * np.array([reply.seconds for reply in answered if not _near(reply, events)])
    near = {
        f"p99_ms_{event.name.replace(' ', '_')}": _p99(
            1e3 * np.array([reply.seconds for reply in answered if _near(reply, [event])])
        )
        for event in events
    }
    return {
        "requests": len(replies),
        "lost": sum(stored[reply.request_id] != 1 for reply in answered),
        "logged_twice": sum(count > 1 for count in stored.values()),
        "logged_unanswered": len(set(stored) - {reply.request_id for reply in answered}),
        "unanswered": stages["never"],
        "availability_first_try": round(first, 5),
        "availability": round(first + stages["retries"] / len(replies), 5),
        "repeated_by_client": stages["retries"],
        "asked_again": stages["again"],
        "versions": len({reply.version for reply in answered}),
        "p50_ms": round(float(np.median(latencies))),
        "p99_ms": _p99(latencies),
        "p99_ms_calm": _p99(calm),
        **near,
        "worst_ms": round(float(latencies.max())),
    }


def _near(reply: Reply, events: list[Event]) -> bool:
    """Whether it was due while something happened, or soon after."""
    return any(0 <= reply.due - event.at < event.seconds + NEAR_SECONDS for event in events)


def _p99(milliseconds: np.ndarray) -> int | None:
    return round(float(np.quantile(milliseconds, 0.99))) if len(milliseconds) else None


if __name__ == "__main__":
    main()
