"""What stands between the images and a backbone's first layer, as one convolution by one pixel.

Backbones were pretrained on other ranges and channel orders, so each scales, shifts and stacks its
input. On maps with three channels last these small steps are slow: a tenth of EfficientNetB0's time
at 80 px. Together they are one affine map per pixel, which is exactly such a convolution.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from ml.packaging.graph import INPUT

INPUT_CONVOLUTION = "input/convolution"
"""The node's name; it stays in float, or every pixel would be rounded twice."""

_TO_CHANNELS_FIRST = [0, 3, 1, 2]
_TOLERANCE = 1e-5

Floats = npt.NDArray[np.float32]
Run = Callable[[Floats], Floats]


def fold_input(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace all steps up to the first transposition by one convolution, where they are affine.

    Whether they are is seen on random images; a network that takes its images otherwise is left as
    it is.

    Args:
        model: a member's graph; its input is `images` (n, height, width, channels).
    """
    graph = model.graph
    entrance = _entrance(graph)
    if entrance is None:
        return model
    steps, last = entrance
    height, width, channels = (
        dimension.dim_value for dimension in graph.input[0].type.tensor_type.shape.dim[1:]
    )
    run = _runner(model, [*steps, last], last.output[0])
    units = np.eye(channels, dtype=np.float32).reshape(channels, 1, 1, channels)
    still = np.zeros((1, height, width, channels), np.float32)
    shift = run(still)[0, :, 0, 0]
    weights = np.stack([run(still + unit)[0, :, 0, 0] - shift for unit in units], axis=1)
    images = np.random.default_rng(0).uniform(-1, 1, (2, height, width, channels))
    expected = run(images.astype(np.float32))
    affine = np.einsum("oc,nhwc->nohw", weights, images) + shift[:, np.newaxis, np.newaxis]
    if expected.shape != affine.shape or not np.allclose(
        affine, expected, rtol=_TOLERANCE, atol=_TOLERANCE * float(np.abs(expected).max())
    ):
        return model
    replaced = [
        helper.make_node(
            "Transpose", [INPUT], ["input/first"], name="input/first", perm=_TO_CHANNELS_FIRST
        ),
        helper.make_node(
            "Conv",
            ["input/first", "input/weights", "input/shift"],
            [last.output[0]],
            name=INPUT_CONVOLUTION,
            kernel_shape=[1, 1],
        ),
    ]
    dropped = {value for node in (*steps, last) for value in node.output}
    kept = [node for node in graph.node if not dropped.issuperset(node.output)]
    del graph.node[:]
    graph.node.extend(replaced + kept)
    graph.initializer.extend(
        [
            numpy_helper.from_array(weights[:, :, np.newaxis, np.newaxis], "input/weights"),
            numpy_helper.from_array(shift, "input/shift"),
        ]
    )
    used = {value for node in graph.node for value in node.input}
    unused = [constant for constant in graph.initializer if constant.name not in used]
    for constant in unused:
        graph.initializer.remove(constant)
    return model


def _entrance(
    graph: onnx.GraphProto,
) -> tuple[list[onnx.NodeProto], onnx.NodeProto] | None:
    """The nodes between the images and the transposition that alone continues from them."""
    derived, constants = {INPUT}, {constant.name for constant in graph.initializer}
    steps: list[onnx.NodeProto] = []
    for node in graph.node:  # in the order of computation
        if not derived.intersection(node.input):
            continue
        if not (derived | constants).issuperset(filter(None, node.input)):
            return None
        if node.op_type == "Transpose":
            perm = next((list(a.ints) for a in node.attribute if a.name == "perm"), [])
            users = sum(bool(derived.intersection(other.input)) for other in graph.node)
            alone = users == len(steps) + 1
            return (steps, node) if steps and perm == _TO_CHANNELS_FIRST and alone else None
        steps.append(node)
        derived.update(node.output)
    return None


def _runner(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], last: str) -> Run:
    """A function from images to the value `last` of these nodes."""
    used = {value for node in nodes for value in node.input}
    part = helper.make_model(
        helper.make_graph(
            nodes,
            "input",
            [model.graph.input[0]],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
            [constant for constant in model.graph.initializer if constant.name in used],
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    session = ort.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda images: session.run([last], {INPUT: images})[0]
