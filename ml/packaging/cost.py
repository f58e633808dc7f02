"""What a graph costs: CPU time of single images on one thread, alternating with others."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ml.packaging.graph import Floats, open_graph, run_graph

_ROUNDS = 9


def cpu_ms(graphs: Mapping[str, Path], inputs: Floats) -> dict[str, float]:
    """Median CPU milliseconds of one image, by the name of the graph.

    The graphs take turns, so that what else the machine does meets them alike. CPU time rather
    than wall time: on a shared machine the latter counts the neighbours.

    Args:
        inputs: float32 (n, height, width, channels), n ≥ 1; taken in turn.

    Raises:
        BundleInvalid: one of the graphs cannot be loaded.
    """
    sessions = {name: open_graph(path) for name, path in graphs.items()}
    spent: dict[str, list[float]] = {name: [] for name in graphs}
    for session in sessions.values():
        run_graph(session, inputs[:1], ["logits"])  # the first run allocates
    for number in range(_ROUNDS):
        image = inputs[number % len(inputs)][np.newaxis]
        for name, session in sessions.items():
            started = time.process_time()
            run_graph(session, image, ["logits"])
            spent[name].append(1e3 * (time.process_time() - started))
    return {name: float(np.median(values)) for name, values in spent.items()}
