"""What inference is made of: the operations in a graph, and how fast matrix products are here."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, shape_inference

_SIDE = 1024
_REPEATS = 5

Rates = dict[str, float]
"""Operations a second (a multiplication and an addition are two) by precision: f32, bf16, int8."""


@dataclass(frozen=True, slots=True)
class Operations:
    """Of one image, in convolutions and matrix products: those in int8 and all others."""

    int8: float
    float: float


def count_operations(path: Path) -> Operations:
    """Count a graph's operations. A convolution whose weights are dequantized runs in int8."""
    model = onnx.load(path)
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {constant.name: list(constant.dims) for constant in graph.initializer}
    dequantized = {
        node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"
    }
    counted = {True: 0.0, False: 0.0}
    for node in graph.node:
        if node.op_type == "Conv":
            weights = node.input[1]
            shape = shapes[dequantized.get(weights, weights)]
            each = math.prod(shape[1:])
            counted[weights in dequantized] += 2 * each * math.prod(shapes[node.output[0]])
        elif node.op_type in ("MatMul", "Gemm"):
            inner = shapes[node.input[0]][-1]
            counted[False] += 2 * inner * math.prod(shapes[node.output[0]])
    return Operations(int8=counted[True], float=counted[False])


def product_rates() -> Rates:
    """The best of a few square products of each precision, by process CPU time on one thread.

    f32 and int8 (uint8 by int8) by ONNX Runtime, bf16 by OpenVINO where the CPU computes in it.
    """
    rates = {
        "f32": _best(_onnx_runtime(_product("MatMul", TensorProto.FLOAT, np.float32))),
        "int8": _best(_onnx_runtime(_product("MatMulInteger", TensorProto.UINT8, np.int8))),
    }
    bf16 = _openvino_bf16(_product("MatMul", TensorProto.FLOAT, np.float32))
    return rates | ({"bf16": _best(bf16)} if bf16 else {})


def _best(run: Callable[[], object]) -> float:
    run()
    seconds = []
    for _ in range(_REPEATS):
        started = time.process_time()
        run()
        seconds.append(time.process_time() - started)
    return 2 * _SIDE**3 / min(seconds)


def _product(operator: str, given: int, constant: type) -> onnx.ModelProto:
    """A square matrix by a constant one, as a layer has it."""
    kept = np.random.default_rng(0).integers(-5, 5, (_SIDE, _SIDE)).astype(constant)
    result = TensorProto.FLOAT if given == TensorProto.FLOAT else TensorProto.INT32
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", given, [_SIDE, _SIDE])],
        [helper.make_tensor_value_info("c", result, [_SIDE, _SIDE])],
        [numpy_helper.from_array(kept, "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _onnx_runtime(model: onnx.ModelProto) -> Callable[[], object]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    is_float = session.get_inputs()[0].type == "tensor(float)"
    given = np.ones((_SIDE, _SIDE), np.float32 if is_float else np.uint8)
    return lambda: session.run(None, {"a": given})


def _openvino_bf16(model: onnx.ModelProto) -> Callable[[], object] | None:
    try:
        import openvino
    except ImportError:
        return None
    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    options = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", options)
    request = compiled.create_infer_request()
    given = np.ones((_SIDE, _SIDE), np.float32)
    return lambda: request.infer({0: given}, share_inputs=True)
