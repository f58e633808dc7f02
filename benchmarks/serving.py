"""Our server beside its peers: the same graph, decoder, threads and load, in one interleaved run.

uv run python benchmarks/serving.py [--peers fastapi,ray] [--seconds N] [--json FILE]

Peers: plain FastAPI with a thread pool, LitServe, BentoML, MLServer and Ray Serve, each in an
environment of its own that is made on first use. All get a 1-thread session per core, our decoder
and the bundle's `model.onnx`; only we log answers, measure image quality and decide. Each round
starts every server in turn (the order rotates) and loads it from another process with 1, 8 and 32
clients; the in-process limit (the same engine and decoder in threads, no server) is measured
between the rounds.

Figures are ratios of CPU time per image (whole process tree) with 8 clients, medians over the
rounds; `_wall` are those of images per second, `_at_1` and `_at_32` those with as many clients. The
best peer is the one that is hardest to beat. The model has random weights unless --bundle is given:
it answers nothing of use at the same cost. OpenVINO rounds int8 otherwise than ONNX Runtime; where
that changes answers the server refuses the engine, and the table says so: see --fp32.
"""

import argparse
import math
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path

from figures import print_goals, write_figures
from serving_bundle import (
    ENSEMBLE,
    ROOT,
    ensure_bundle,
    files_of,
    in_own_process,
    phantom_files,
)
from serving_limit import expected_answers, in_process_limit
from serving_load import Load, apply_loads
from serving_servers import OURS, OURS_OPENVINO, PEER_SERVERS, Server, ServerUnusable, running

CONCURRENCY = (1, 8, 32)
JUDGED = 8
FILES, IMAGE_SIDE, MODEL_SIDE, SEED = 8, 1024, 224, 20
GOALS = {
    "vs_in_process_limit": ">= 0.95",
    "vs_best_peer": ">= 1.15",
    "vs_best_peer_openvino": ">= 1.8",
    "errors": "0",
}

Rounds = dict[tuple[str, int], list[Load]]
"""By server and clients: one entry a round."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="images to send, instead of phantoms")
    parser.add_argument("--bundle", type=Path, help="model to serve, instead of random weights")
    parser.add_argument(
        "--fp32",
        action="store_true",
        help="random weights in fp32 for all; int8 is rounded otherwise by OpenVINO, which the "
        "server refuses where it changes answers",
    )
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "benchmarks")
    parser.add_argument("--peers", default=",".join(PEER_SERVERS), help="comma-separated")
    parser.add_argument("--seconds", type=float, default=5.0, help="per server, load and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    started = time.monotonic()
    precision = "fp32" if arguments.fp32 else "int8"
    bundle = arguments.bundle or ensure_bundle(
        arguments.work / f"ensemble-{MODEL_SIDE}-{precision}",
        ENSEMBLE,
        MODEL_SIDE,
        seed=SEED,
        int8=not arguments.fp32,
    )
    files = (
        files_of(arguments.data, FILES, IMAGE_SIDE)
        if arguments.data
        else phantom_files(FILES, IMAGE_SIDE, seed=SEED)
    )
    peers = [PEER_SERVERS[name] for name in arguments.peers.split(",") if name]
    comparison = Comparison(bundle.resolve(), arguments.work, files, arguments)
    comparison.run([OURS, OURS_OPENVINO, *peers])
    comparison.print_table()
    figures = comparison.figures([peer.name for peer in peers])
    figures["seconds"] = round(time.monotonic() - started)
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, unusable=comparison.unusable)


class Comparison:
    """All servers on one model and the same files."""

    def __init__(
        self, bundle: Path, work: Path, files: list[bytes], options: argparse.Namespace
    ) -> None:
        self._bundle = bundle
        self._work = work
        self._files = files
        self._options = options
        self._rounds: Rounds = defaultdict(list)
        self._limits: list[Load] = []
        self.unusable: dict[str, str] = {}

    def run(self, servers: list[Server]) -> None:
        """All rounds; a server that cannot be used is left out of the rest and named."""
        expected = in_own_process(expected_answers, self._bundle, self._files)
        self._measure_limit()
        for turn in range(self._options.rounds):
            shift = turn * len(servers) // self._options.rounds
            for server in (*servers[shift:], *servers[:shift]):
                if server.name not in self.unusable:
                    self._measure(server, expected)
            self._measure_limit()

    def _measure(self, server: Server, expected: list[list[float]]) -> None:
        seconds, workers = self._options.seconds, self._options.workers
        try:
            with running(server, self._bundle, self._work, self._files, expected, workers) as (
                target,
                pid,
            ):
                loads = in_own_process(apply_loads, target, pid, CONCURRENCY, seconds)
        except ServerUnusable as error:
            self.unusable[server.name] = str(error)
            print(f"{server.name} is left out: {error}", flush=True)
            return
        for clients, load in zip(CONCURRENCY, loads, strict=True):
            self._rounds[server.name, clients].append(load)
        rates = ", ".join(f"{load.rate:.1f}" for load in loads)
        print(f"{server.name}: {rates} images/s with {CONCURRENCY} clients", flush=True)

    def _measure_limit(self) -> None:
        self._limits.append(
            in_own_process(
                in_process_limit,
                self._bundle,
                self._files,
                self._options.workers,
                self._options.seconds,
            )
        )

    def print_table(self) -> None:
        """One row per server and number of clients, medians over the rounds."""
        print(
            f"{'server':16}{'clients':>8}{'images/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}"
            f"{'429':>6}{'CPU ms':>9}{'of limit':>10}{'wall':>7}"
        )
        self._print_row("in process", self._options.workers, self._limits, 1.0, 1.0)
        for (name, clients), loads in self._rounds.items():
            ratios = self._of_limit(name, clients)
            self._print_row(name, clients, loads, *ratios)

    def _print_row(
        self, name: str, clients: int, loads: list[Load], cpu: float, wall: float
    ) -> None:
        middle = {
            field: statistics.median(getattr(load, field) for load in loads)
            for field in ("rate", "p50_ms", "p99_ms", "cpu_ms")
        }
        print(
            f"{name:16}{clients:8}{middle['rate']:10.1f}{middle['p50_ms']:9.0f}"
            f"{middle['p99_ms']:9.0f}{sum(load.errors for load in loads):8}"
            f"{sum(load.refused for load in loads):6}{middle['cpu_ms']:9.1f}{cpu:10.2f}{wall:7.2f}"
        )

    def figures(self, peers: list[str]) -> dict[str, object]:
        """The ratios that have goals, the same in wall time, and with fewer and more clients."""
        figures: dict[str, object] = {}
        for clients in CONCURRENCY:
            of_limit = self._of_limit(OURS.name, clients)
            versus = {
                "vs_in_process_limit": of_limit,
                "vs_best_peer": self._versus_best(OURS.name, peers, clients),
                "vs_best_peer_openvino": self._versus_best(OURS_OPENVINO.name, peers, clients),
            }
            suffix = "" if clients == JUDGED else f"_at_{clients}"
            for name, (cpu, wall) in versus.items():
                figures[f"{name}{suffix}"] = _rounded(cpu)
                figures[f"{name}_wall{suffix}"] = _rounded(wall)
        ours = [
            self._rounds[name, n] for name in (OURS.name, OURS_OPENVINO.name) for n in CONCURRENCY
        ]
        figures["errors"] = sum(load.errors + load.refused for loads in ours for load in loads)
        return figures

    def _of_limit(self, name: str, clients: int) -> tuple[float, float]:
        """The server's share of the limit measured before and after each round: CPU, wall."""
        around = list(zip(self._limits, self._limits[1:], strict=False))
        pairs = list(zip(self._rounds[name, clients], around, strict=False))
        if not pairs:
            return float("nan"), float("nan")
        cpu = [(a.cpu_ms + b.cpu_ms) / 2 / load.cpu_ms for load, (a, b) in pairs]
        wall = [load.rate / ((a.rate + b.rate) / 2) for load, (a, b) in pairs]
        return statistics.median(cpu), statistics.median(wall)

    def _versus_best(self, name: str, peers: list[str], clients: int) -> tuple[float, float]:
        """How many times the best peer's cost and rate: the peer that is hardest to beat."""
        cpu, wall = [], []
        for peer in peers:
            pairs = list(
                zip(self._rounds[name, clients], self._rounds[peer, clients], strict=False)
            )
            if pairs:
                cpu.append(statistics.median(b.cpu_ms / a.cpu_ms for a, b in pairs))
                wall.append(statistics.median(a.rate / b.rate for a, b in pairs))
        return min(cpu, default=float("nan")), min(wall, default=float("nan"))


def _rounded(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


if __name__ == "__main__":
    main()
