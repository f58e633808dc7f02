"""Measure an ONNX file on the test split: answers, size, latency."""

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.contract.decoding import Pixels
from ml.contract.preprocessing import to_input
from ml.evaluation.metrics import accuracy, macro_f1
from ml.packaging.graph import open_graph, run_graph
from ml.training.results import ExperimentRow

Labels = npt.NDArray[np.int64]

_LATENCY_RUNS = 30


def measure_row(
    graph: Path,
    output: str,
    images: Pixels,
    labels: Labels,
    *,
    name: str,
    description: str,
    critical: int,
    classes: int,
    train_seconds: float,
) -> ExperimentRow:
    """Run a graph over test images; labels are argmax of `output`, without thresholds.

    Args:
        output: `logits` of a member or `probabilities` of an ensemble.
        images: uint8 (n, height, width, channels).
        critical: position of the label whose sensitivity is reported (NaN without such images).
    """
    session = open_graph(graph)
    inputs = to_input(images)
    answers = run_graph(session, inputs, [output])[output].argmax(axis=1).astype(np.int64)
    is_critical = labels == critical
    milliseconds = []
    for number in range(_LATENCY_RUNS):
        started = time.perf_counter()
        run_graph(session, inputs[number % len(inputs)][np.newaxis], [output])
        milliseconds.append(1000 * (time.perf_counter() - started))
    return ExperimentRow(
        name=name,
        description=description,
        accuracy=accuracy(labels, answers),
        macro_f1=macro_f1(labels, answers, classes),
        critical_sensitivity=float(np.mean(answers[is_critical] == critical)),
        size_mb=round(graph.stat().st_size / 2**20, 2),
        latency_ms=round(float(np.median(milliseconds)), 2),
        train_seconds=train_seconds,
    )
