"""Hot reload under load: swaps of two real models while 8 clients ask without pause.

uv run python benchmarks/reload.py [--swaps N] [--json FILE]

A real server follows a link that is pointed from one bundle to the other as soon as the swap
before was seen, so it loads and verifies models all the time. Six clients send single images, two
send batches of four; each answer is compared with what the version that it names answers offline.
Steady phases alternate with phases of swaps in one run.

`failed`: answers other than 200. `mixed`: batches of more than one version, or answers that are
not those of the version they name. `p99_ratio`: latency of single images, during swaps to steady.
`rss_slope_mb_per_swap`: least squares over the server's memory after each swap but the first 20.
"""

import argparse
import concurrent.futures
import dataclasses
import http.client
import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import psutil
from figures import write_figures
from reload_load import Reply, send_until
from serving_bundle import ROOT, ensure_bundle, in_own_process, phantom_files
from serving_limit import expected_answers
from serving_servers import OURS, running

from ml.contract.bundle import open_bundle

CLIENTS = 8
PHASES, STEADY_SECONDS = 4, 12.0
SETTLING_SWAPS = 20
MEMBERS, MODEL_SIDE = ("mobilenetv2",), 96
FILES, IMAGE_SIDE = 4, 256
SMALLEST_DIFFERENCE = 0.005
GOALS = {
    "swaps": ">= 200",
    "failed": "0",
    "mixed": "0",
    "p99_ratio": "<= 2",
    "rss_slope_mb_per_swap": "-0.1 to 0.1",
}

Windows = list[tuple[float, float]]


def main() -> None:
    """Swap, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "benchmarks")
    parser.add_argument(
        "--bundles", type=Path, nargs=2, help="two models, instead of random weights"
    )
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    bundles = arguments.bundles or [
        ensure_bundle(
            arguments.work / f"{MEMBERS[0]}-{MODEL_SIDE}-{name}", MEMBERS, MODEL_SIDE, seed=seed
        )
        for name, seed in (("a", 1), ("b", 2))
    ]
    figures = measure([bundle.resolve() for bundle in bundles], arguments.work, arguments.swaps)
    for name, value in figures.items():
        print(f"{name}: {value}" + (f" (goal {GOALS[name]})" if name in GOALS else ""))
    write_figures(arguments.json, figures, GOALS)


def measure(bundles: list[Path], work: Path, swaps: int) -> dict[str, object]:
    """Phases of swaps between steady ones; the figures."""
    work.mkdir(parents=True, exist_ok=True)
    files = phantom_files(FILES, IMAGE_SIDE)
    answers = [in_own_process(expected_answers, bundle, files) for bundle in bundles]
    if np.abs(np.subtract(*answers)).max(axis=1).min() < SMALLEST_DIFFERENCE:
        raise SystemExit("The two models answer alike: nothing would show which one ran.")
    versions = [open_bundle(bundle).run_key for bundle in bundles]
    expected = dict(zip(versions, answers, strict=True))
    link, stop_file = work / "current", work / "reload.stop"
    stop_file.unlink(missing_ok=True)
    point(link, bundles[0])
    environment = {"VIGIE_ENGINE": "onnxruntime", "VIGIE_POLL_SECONDS": "0.05"}
    server = dataclasses.replace(OURS, name="vigie-reload", environment=environment)
    workers = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    steady: Windows = []
    swapping: Windows = []
    memory: list[float] = []
    with (
        running(server, link, work, files, answers[0], workers) as (target, pid),
        concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool,
    ):
        sending = pool.submit(send_until, stop_file, target.port, files, expected, CLIENTS)
        try:
            time.sleep(STEADY_SECONDS / 2)  # the clients start
            for phase in range(PHASES):
                steady.append(_window(STEADY_SECONDS))
                started = time.monotonic()
                for number in range(phase * swaps // PHASES, (phase + 1) * swaps // PHASES):
                    position = (number + 1) % 2
                    point(link, bundles[position])
                    wait_for_version(target.port, versions[position])
                    memory.append(psutil.Process(pid).memory_info().rss / 2**20)
                swapping.append((started, time.monotonic()))
            steady.append(_window(STEADY_SECONDS))
        finally:
            stop_file.touch()
        replies = sending.result()
    stop_file.unlink()
    return _figures(replies, steady, swapping, memory)


def point(link: Path, bundle: Path) -> None:
    """Make the link name the bundle, at once."""
    fresh = link.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(bundle)
    fresh.replace(link)


def wait_for_version(port: int, version: str) -> None:
    """Return when the server says that this version answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/model")
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if answer["version"] == version:
            return
        time.sleep(0.05)
    raise SystemExit(f"version {version} does not answer after two minutes")


def _window(seconds: float) -> tuple[float, float]:
    started = time.monotonic()
    time.sleep(seconds)
    return started, time.monotonic()


def _figures(
    replies: list[Reply], steady: Windows, swapping: Windows, memory: list[float]
) -> dict[str, object]:
    calm, busy = (_latencies(replies, windows) for windows in (steady, swapping))
    faults = [reply.fault for reply in replies if reply.fault]
    for fault in faults[:5]:
        print(f"failed: {fault}")
    kept = np.array(memory[SETTLING_SWAPS:])
    slope = float(np.polyfit(np.arange(len(kept)), kept, 1)[0]) if len(kept) > 1 else float("nan")
    p99_steady, p99_swaps = (float(np.percentile(values, 99)) for values in (calm, busy))
    seconds = sum(end - start for start, end in swapping)
    return {
        "swaps": len(memory),
        "failed": len(faults),
        "mixed": sum(reply.mixed for reply in replies),
        "p99_ratio": round(p99_swaps / p99_steady, 2),
        "rss_slope_mb_per_swap": round(slope, 3),
        "p99_steady_ms": round(1e3 * p99_steady),
        "p99_swaps_ms": round(1e3 * p99_swaps),
        "p50_steady_ms": round(1e3 * float(np.median(calm))),
        "p50_swaps_ms": round(1e3 * float(np.median(busy))),
        "requests": len(replies),
        "batches": sum(reply.batch for reply in replies),
        "seconds_per_swap": round(seconds / len(memory), 2),
        "rss_mb": round(memory[-1]),
    }


def _latencies(replies: list[Reply], windows: Windows) -> list[float]:
    """Seconds of the single images that were answered within the windows."""
    return [
        reply.seconds
        for reply in replies
        if not reply.batch
        and not reply.fault
        and any(start < reply.ended <= end for start, end in windows)
    ]


if __name__ == "__main__":
    main()
