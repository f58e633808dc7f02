"""Measure an ONNX file as it would be served: answers, size, and latency on one thread."""

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.contract.preprocessing import to_input
from ml.packaging.graph import open_graph, run_graph
from ml.training.data import Images, blocks

Floats = npt.NDArray[np.float32]

_LATENCY_RUNS = 30


def answer(graph: Path, output: str, images: Images) -> Floats:
    """One output of a graph on uint8 images (n, height, width, channels): (n, classes)."""
    session = open_graph(graph)
    return np.concatenate(
        [run_graph(session, to_input(block), [output])[output] for block in blocks(images)]
    )


def median_latency(graph: Path, output: str, images: Images) -> float:
    """Milliseconds for one image, median over images in turn, after one to warm up."""
    session = open_graph(graph)
    milliseconds = []
    for number in range(_LATENCY_RUNS + 1):
        place = number % len(images)
        inputs = to_input(images[place : place + 1])
        started = time.perf_counter()
        run_graph(session, inputs, [output])
        milliseconds.append(1000 * (time.perf_counter() - started))
    return round(float(np.median(milliseconds[1:])), 2)


def size_mb(graph: Path) -> float:
    """Size of a file in MiB."""
    return round(graph.stat().st_size / 2**20, 2)
