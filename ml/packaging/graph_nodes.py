"""Collect the nodes and constants of an ONNX graph under construction."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

BATCH_DIMENSION = "n"


class GraphNodes:
    """Nodes and constants of one graph, or of one branch of it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.ArrayLike, dtype: type = np.float32) -> str:
        """Add a constant; returns its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        """Add a node named after its one output; returns that name."""
        self.nodes.append(
            helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        )
        return output

    def include(self, graph: onnx.GraphProto) -> None:
        """Add all of a member's graph."""
        self.nodes.extend(graph.node)
        self.constants.extend(graph.initializer)


def batch_of(name: str, *shape: int) -> onnx.ValueInfoProto:
    """An input or output of float32 (n, *shape)."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH_DIMENSION, *shape])
