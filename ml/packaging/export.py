"""Keras member → float ONNX. Runs in a process of its own: TensorFlow keeps its memory.

python -m ml.packaging.export MEMBER_FOLDER OUT
"""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from ml.contract.errors import BundleInvalid, VigieError
from ml.packaging.graph import INPUT, MEMBER_OUTPUTS, open_graph, run_graph
from ml.packaging.graph_nodes import BATCH_DIMENSION, batch_of

logger = logging.getLogger(__name__)

_CHECKED_INPUTS = 8
_TOLERANCE = 1e-3
_TIMEOUT_SECONDS = 1800
_INVALID = 3


def export_in_fresh_process(member_folder: Path, out: Path) -> Path:
    """Run `export_member` in a new Python process, whose memory ends with it.

    Raises:
        BundleInvalid: the export failed, or its graph does not reproduce the Keras model.
    """
    command = [sys.executable, "-m", "ml.packaging.export", str(member_folder), str(out)]
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
    )
    if finished.returncode != 0:
        lines = finished.stderr.strip().splitlines() or ["no message"]
        raise BundleInvalid(
            f"The export of {member_folder.name} failed: {lines[-1]}",
            remedy="Train the member again, or leave it out of training.members.",
            details={"exit_code": finished.returncode, "stderr": "\n".join(lines[-20:])},
        )
    return out


def export_member(member_folder: Path, out: Path) -> Path:
    """Convert a finished member to ONNX.

    The graph takes `images` float32 (n, height, width, channels) in −1…1 and gives `logits`,
    `features` and `activation_map`. It is compared with Keras on 8 inputs before it appears.

    Raises:
        NotFound: the member has not been trained to its end.
        BundleInvalid: the graph does not reproduce the Keras model.
    """
    import keras

    from ml.packaging.convert import convert
    from ml.packaging.input_folding import fold_input
    from ml.training.checkpoint import load_member

    member = load_member(member_folder)
    # Of a dict of outputs tf2onnx mixes up which is which: it gets a list.
    model = keras.Model(member.inputs, [member.output[name] for name in MEMBER_OUTPUTS])
    shapes = [output.shape[1:] for output in model.outputs]
    graph = fold_input(_with_stable_names(convert(model), shapes))
    onnx.checker.check_model(graph)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    onnx.save_model(graph, str(partial))
    try:
        inputs = _noise((_CHECKED_INPUTS, *model.input_shape[1:]))
        expected = model([inputs], training=False)
        actual = run_graph(open_graph(partial), inputs, MEMBER_OUTPUTS)
        for name, values in zip(MEMBER_OUTPUTS, expected, strict=True):
            _require_close(name, actual[name], values.numpy())
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def _with_stable_names(
    model: onnx.ModelProto, output_shapes: Sequence[tuple[int, ...]]
) -> onnx.ModelProto:
    """Name input, outputs and batch dimension, fix all others; drop inputs nobody needs to give.

    tf2onnx may leave constants of EfficientNet's Normalization layer among the required inputs.
    """
    graph = model.graph
    given = [value for value in graph.input if value.name == INPUT]
    del graph.input[:]
    graph.input.extend(given)
    named = zip(graph.output, MEMBER_OUTPUTS, output_shapes, strict=True)
    for output, name, shape in named:
        if output.name != name:
            graph.node.append(helper.make_node("Identity", [output.name], [name], name=name))
            output.name = name
        output.CopyFrom(batch_of(name, *shape))
    for value in graph.input:
        value.type.tensor_type.shape.dim[0].dim_param = BATCH_DIMENSION
    return model


def _noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def _require_close(name: str, actual: np.ndarray, expected: np.ndarray) -> None:
    """Differences count relative to the size of values above 1: features have no fixed range."""
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(actual - expected).max()) / scale
    if not difference <= _TOLERANCE:
        raise BundleInvalid(
            f"The exported {name} differ from Keras by {difference:.2g} (allowed {_TOLERANCE:g}).",
            remedy="Export it again, or leave the member out of training.members.",
        )


def main(arguments: list[str]) -> int:
    """Export one member; the exit code is 0 when the file is there."""
    member_folder, out = map(Path, arguments)
    try:
        export_member(member_folder, out)
    except VigieError as error:
        sys.stderr.write(f"{error}\n")
        return _INVALID
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
