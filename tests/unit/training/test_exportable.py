import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ml.training.exportable import gelu, make_exportable


def keras_block() -> keras.Model:
    """What ConvNeXt is made of, on an 8×8 grid."""
    stem = keras.Sequential([layers.Conv2D(6, 2, strides=2), layers.LayerNormalization()])
    inputs = keras.Input((16, 16, 3))
    x = stem(inputs)
    x = layers.Conv2D(6, 7, padding="same", groups=6)(x)
    x = layers.Dense(12)(x)
    x = layers.Activation("gelu")(x)
    return keras.Model(inputs, layers.Dense(6)(x))


def test_the_rebuilt_network_takes_the_same_weights_file_and_answers_the_same(tmp_path):
    original = keras_block()
    original.set_weights(
        [np.random.default_rng(0).normal(size=w.shape) for w in original.get_weights()]
    )
    original.save_weights(tmp_path / "block.weights.h5")
    rebuilt = make_exportable(keras_block())
    rebuilt.load_weights(tmp_path / "block.weights.h5")
    for ours, theirs in zip(rebuilt.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    images = np.random.default_rng(1).normal(size=(2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(rebuilt(images), original(images), rtol=1e-4, atol=1e-3)


def test_no_operation_is_left_that_onnx_lacks():
    rebuilt = make_exportable(keras_block())
    function = tf.function(rebuilt).get_concrete_function(tf.TensorSpec((None, 16, 16, 3)))
    operations = {node.op for node in function.graph.as_graph_def().node}
    assert "Erf" in operations
    assert "DepthwiseConv2dNative" in operations
    assert operations.isdisjoint({"Erfc", "StatefulPartitionedCall", "PartitionedCall"})


def test_gelu_is_exact():
    values = np.linspace(-6, 6, 101, dtype=np.float32)
    np.testing.assert_allclose(gelu(values), keras.activations.gelu(values), atol=1e-6)
