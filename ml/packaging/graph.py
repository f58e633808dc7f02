"""Run an ONNX file for comparison and calibration, one thread, in bounded batches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from ml.contract.errors import BundleInvalid

Floats = npt.NDArray[np.float32]

OPSET = 17
INPUT = "images"
MEMBER_OUTPUTS = ("logits", "features", "activation_map")
_BATCH = 16


def open_graph(path: Path) -> ort.InferenceSession:
    """Load a graph as the server does: one thread.

    Raises:
        BundleInvalid: ONNX Runtime refuses the file.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises types of its own native module
        raise BundleInvalid(
            f"ONNX Runtime cannot load {path.name}: {error}", remedy="Export it again."
        ) from error


def run_graph(
    session: ort.InferenceSession, inputs: Floats, outputs: Sequence[str]
) -> dict[str, Floats]:
    """Run float32 inputs of shape (n, height, width, channels) through a graph."""
    pieces = [
        session.run(list(outputs), {session.get_inputs()[0].name: inputs[start : start + _BATCH]})
        for start in range(0, len(inputs), _BATCH)
    ]
    return {
        name: np.concatenate([piece[position] for piece in pieces])
        for position, name in enumerate(outputs)
    }
