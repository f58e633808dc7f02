"""How much a quantized member differs from its float original."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from ml.packaging.graph import open_graph, run_graph
from ml.packaging.results import Parity


def compare(float_onnx: Path, int8_onnx: Path, inputs: npt.NDArray[np.float32]) -> Parity:
    """Run both graphs on float32 inputs (n, height, width, channels) and compare probabilities.

    Raises:
        BundleInvalid: one of the graphs cannot be loaded.
    """
    original, quantized = (
        softmax(run_graph(open_graph(path), inputs, ["logits"])["logits"], axis=1)
        for path in (float_onnx, int8_onnx)
    )
    differences = np.abs(original - quantized)
    return Parity(
        images=len(inputs),
        flip_rate=float(np.mean(original.argmax(axis=1) != quantized.argmax(axis=1))),
        max_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
    )
