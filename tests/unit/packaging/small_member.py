"""A member's graph with random weights, small enough to build in a test: conv, pool, head."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ml.packaging.graph import OPSET
from ml.packaging.graph_nodes import batch_of

SIDE = 24
CLASSES = 3


def write_small_member(
    path: Path, *, seed: int, stride: int = 8, width: int = 5, side: int = SIDE, channels: int = 1
) -> Path:
    """Features are the mean over positions of relu(conv); the head is linear."""
    rng = np.random.default_rng(seed)
    positions = -(-side // stride)
    constants = {
        "kernel": rng.normal(size=(width, channels, 3, 3)) / 3,
        "bias": rng.normal(size=width) / 4,
        "head": rng.normal(size=(width, CLASSES)),
        "head_bias": rng.normal(size=CLASSES),
    }
    nodes = [
        helper.make_node("Transpose", ["images"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Conv",
            ["nchw", "kernel", "bias"],
            ["conv"],
            kernel_shape=[3, 3],
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
        ),
        helper.make_node("Relu", ["conv"], ["maps_nchw"]),
        helper.make_node("Transpose", ["maps_nchw"], ["maps"], perm=[0, 2, 3, 1]),
        helper.make_node("ReduceMean", ["maps"], ["features"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["features", "head"], ["scored"]),
        helper.make_node("Add", ["scored", "head_bias"], ["logits"]),
        helper.make_node("MatMul", ["maps", "head"], ["scored_maps"]),
        helper.make_node("Add", ["scored_maps", "head_bias"], ["activation_map"]),
    ]

    graph = helper.make_graph(
        nodes,
        "member",
        [batch_of("images", side, side, channels)],
        [
            batch_of("logits", CLASSES),
            batch_of("features", width),
            batch_of("activation_map", positions, positions, CLASSES),
        ],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save_model(model, str(path))
    return path


def noise(count: int, *, seed: int = 0, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 1)).astype(np.float32)
