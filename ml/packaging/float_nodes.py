"""Convolutions that a quantization setting may leave in float, found in the graph."""

import onnx

from ml.params import FloatNodes

_POOLED = ("GlobalAveragePool", "ReduceMean")
# What may stand between the pooling and the products of a squeeze-and-excitation block.
_PASSED_THROUGH = ("Reshape", "Relu", "Sigmoid", "Mul", "HardSigmoid", "Squeeze", "Unsqueeze")


def float_nodes(model: onnx.ModelProto, kind: FloatNodes) -> list[str]:
    """Names of the convolutions of a kind.

    `depthwise`: one input channel per group. `squeeze_excite`: they see pooled channels alone
    (Hu et al. 2018, https://arxiv.org/abs/1709.01507), where a rounded factor scales a whole
    channel.
    """
    if kind == "none":
        return []
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    if kind == "depthwise":
        return [node.name for node in convolutions if _group(node) > 1]
    pooled = _pooled_values(model)
    return [node.name for node in convolutions if node.input[0] in pooled]


def _group(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _pooled_values(model: onnx.ModelProto) -> set[str]:
    """Values that depend on the image through pooled channels alone."""
    constants = {constant.name for constant in model.graph.initializer}
    pooled: set[str] = set()
    for node in model.graph.node:  # in the order of computation
        varying = [value for value in node.input if value and value not in constants]
        follows = node.op_type in (*_PASSED_THROUGH, "Conv") and bool(varying)
        if node.op_type in _POOLED or (follows and pooled.issuperset(varying)):
            pooled.update(node.output)
    return pooled
