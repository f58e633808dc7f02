"""Keras model → ONNX model, by tf2onnx."""

import keras
import onnx
import tensorflow as tf
import tf2onnx
from onnx import TensorProto
from tf2onnx.graph import GraphUtil

from ml.packaging.graph import INPUT, OPSET


def convert(model: keras.Model) -> onnx.ModelProto:
    """Convert a model of one input (n, height, width, channels) and a list of outputs."""
    signature = (tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name=INPUT),)
    # Its optimizers run afterwards: here they would copy all weights before each of them, and pass
    # over those that fail, which leaves MobileNetV3 with a hundred transpositions.
    plain, _ = tf2onnx.convert.from_keras(
        model, input_signature=signature, opset=OPSET, optimizers={}
    )
    _widen_scalar_biases(plain)
    return GraphUtil.optimize_model_proto(plain, catch_errors=False)


def _widen_scalar_biases(model: onnx.ModelProto) -> None:
    """Give scalars that are added a dimension: the optimizer of transpositions fails on none."""
    added = {name for node in model.graph.node if node.op_type == "Add" for name in node.input}
    for constant in model.graph.initializer:
        is_scalar = not constant.dims and constant.data_type == TensorProto.FLOAT
        if is_scalar and constant.name in added:
            constant.dims.append(1)
