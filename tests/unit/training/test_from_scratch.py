import keras
import numpy as np
import tensorflow as tf

from ml.training.architectures import ARCHITECTURES
from ml.training.from_scratch import BatchNormalization, prepare_from_scratch


def test_the_fused_layer_learns_exactly_like_keras():
    inputs = np.random.default_rng(0).normal(2, 3, (8, 5, 5, 4)).astype(np.float32)
    results = []
    for layer in (BatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)):
        layer.build(inputs.shape)
        with tf.GradientTape() as tape:
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs**3)
        gradients = tape.gradient(loss, [layer.gamma.value, layer.beta.value])
        after = layer(inputs, training=False)
        results.append([outputs, *gradients, after])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)


def test_a_frozen_layer_keeps_its_statistics():
    layer = BatchNormalization()
    layer.build((None, 4, 4, 2))
    layer.trainable = False
    layer(np.full((2, 4, 4, 2), 5, np.float32), training=True)
    np.testing.assert_array_equal(layer.moving_mean, 0)


def test_residual_branches_of_resnet_start_as_identity():
    architecture = ARCHITECTURES["resnet50"]
    backbone = prepare_from_scratch(architecture.build(32, 32), architecture)
    zero = [
        layer.name
        for layer in backbone.layers
        if isinstance(layer, BatchNormalization) and not np.any(layer.gamma.numpy())
    ]
    assert len(zero) == 16


def test_weights_move_between_fused_and_plain_networks(tmp_path):
    architecture = ARCHITECTURES["mobilenetv2"]
    plain = architecture.build(32, 32)
    fused = prepare_from_scratch(architecture.build(32, 32), architecture)
    fused.save_weights(tmp_path / "backbone.weights.h5")
    plain.load_weights(tmp_path / "backbone.weights.h5")
    inputs = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(
        plain(inputs, training=False), fused(inputs, training=False), atol=1e-5
    )
