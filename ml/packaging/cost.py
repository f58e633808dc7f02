"""What a graph costs: CPU time of single images on one thread, alternating with others."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ml.packaging.graph import Floats, open_graph, run_graph

_ROUNDS = 9


def cpu_ms(graphs: Mapping[str, Path], inputs: Floats) -> dict[str, float]:
    """Median CPU milliseconds of one image through members' graphs, by the name of the graph.

    Args:
        inputs: float32 (n, height, width, channels), n ≥ 1; taken in turn.

    Raises:
        BundleInvalid: one of the graphs cannot be loaded.
    """
    rounds = inputs[np.arange(_ROUNDS) % len(inputs)]
    return {
        name: float(np.median(spent)) for name, spent in _spent(graphs, rounds, "logits").items()
    }


def mean_cpu_ms(graphs: Mapping[str, Path], inputs: Floats) -> dict[str, float]:
    """Mean CPU milliseconds of an image through whole ensembles, by the name of the graph.

    The mean, because an adaptive vote spends little on most images and all on some.

    Args:
        inputs: float32 (n, height, width, channels), n ≥ 1; each is answered once by each graph.

    Raises:
        BundleInvalid: one of the graphs cannot be loaded.
    """
    return {
        name: float(np.mean(spent))
        for name, spent in _spent(graphs, inputs, "probabilities").items()
    }


def _spent(graphs: Mapping[str, Path], inputs: Floats, output: str) -> dict[str, list[float]]:
    """CPU milliseconds of each image by graph.

    The graphs take turns, so that what else the machine does meets them alike. CPU time rather
    than wall time: on a shared machine the latter counts the neighbours.
    """
    sessions = {name: open_graph(path) for name, path in graphs.items()}
    spent: dict[str, list[float]] = {name: [] for name in graphs}
    for session in sessions.values():
        run_graph(session, inputs[:1], [output])  # the first run allocates
    for image in inputs[:, np.newaxis]:
        for name, session in sessions.items():
            started = time.process_time()
            run_graph(session, image, [output])
            spent[name].append(1e3 * (time.process_time() - started))
    return spent
