"""How much a quantized member differs from its float original."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from ml.packaging.graph import open_graph, run_graph
from ml.packaging.results import Parity


def compare(
    float_onnx: Path,
    int8_onnx: Path,
    inputs: npt.NDArray[np.float32],
    *,
    labels: npt.NDArray[np.integer],
    critical: int,
) -> Parity:
    """Run both graphs on float32 inputs (n, height, width, channels) and compare probabilities.

    Args:
        labels: (n,), the true label of each input.
        critical: the label whose sensitivity is compared.

    Raises:
        BundleInvalid: one of the graphs cannot be loaded.
    """
    original, quantized = (
        softmax(run_graph(open_graph(path), inputs, ["logits"])["logits"], axis=1)
        for path in (float_onnx, int8_onnx)
    )
    is_critical = labels == critical
    found = [np.sum(p[is_critical].argmax(axis=1) == critical) for p in (original, quantized)]
    differences = np.abs(original - quantized)
    return Parity(
        images=len(inputs),
        flip_rate=float(np.mean(original.argmax(axis=1) != quantized.argmax(axis=1))),
        critical_loss=float(found[0] - found[1]) / max(int(is_critical.sum()), 1),
        max_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
    )
