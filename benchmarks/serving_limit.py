"""What the engine and the decoder alone can do: the same work without a server around it."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from serving_load import Load

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.session import ModelSession

_WARM_UP_SECONDS = 1.0


def answer(session: ModelSession, data: bytes) -> list[float]:
    """One file → its probabilities."""
    pixels = decode(data, DecodeLimits()).pixels
    outputs = session.run(to_input(to_grid(pixels, session.bundle.input))[None])
    return [float(value) for value in outputs.probabilities[0]]


def expected_answers(bundle: Path, files: Sequence[bytes]) -> list[list[float]]:
    """What every server has to answer."""
    session = ModelSession.open(bundle)
    return [answer(session, file) for file in files]


def in_process_limit(bundle: Path, files: Sequence[bytes], threads: int, seconds: float) -> Load:
    """Decode and infer in `threads` threads with ONNX Runtime; run it in a process of its own."""
    session = ModelSession.open(bundle)
    stopping = threading.Event()
    latencies: list[list[float]] = [[] for _ in range(threads)]

    def work(mine: list[float], number: int) -> None:
        while not stopping.is_set():
            started = time.perf_counter()
            answer(session, files[number % len(files)])
            mine.append(time.perf_counter() - started)
            number += 1

    workers = [
        threading.Thread(target=work, args=(mine, number)) for number, mine in enumerate(latencies)
    ]
    for worker in workers:
        worker.start()
    time.sleep(_WARM_UP_SECONDS)
    skipped = [len(mine) for mine in latencies]
    started, cpu_before = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    ended, cpu_after = time.perf_counter(), time.process_time()
    counted = [mine[first:] for mine, first in zip(latencies, skipped, strict=True)]
    stopping.set()
    for worker in workers:
        worker.join()
    flat = sorted(latency for mine in counted for latency in mine)
    return Load(
        images=len(flat),
        seconds=ended - started,
        p50_ms=1e3 * flat[len(flat) // 2],
        p99_ms=1e3 * flat[int(0.99 * (len(flat) - 1))],
        errors=0,
        refused=0,
        cpu_ms=1e3 * (cpu_after - cpu_before) / len(flat),
    )
