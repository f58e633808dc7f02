"""What a backbone needs to learn from random weights within few epochs."""

import keras
import tensorflow as tf

from ml.training.architectures import Architecture

# Keras's 0.99 averages over hundreds of steps: after a short training from scratch the running
# statistics would still be near their start, and inference would answer at random.
_MOMENTUM = 0.9


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer with TensorFlow's fused kernel while it trains.

    Keras composes the training pass of a dozen operations; on a CPU the kernel halves the time
    to trace and saves a tenth of every step. The name is Keras's own, since weights files address
    layers by it.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalise (n, height, width, channels) over all but the last axis."""
        if not (training and self.trainable and len(inputs.shape) == 4):
            return super().call(inputs, training=training, mask=mask)
        channels = tf.zeros_like(self.moving_mean.value)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value if self.scale else channels + 1,
            offset=self.beta.value if self.center else channels,
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + seen * (1 - self.momentum))
        return outputs


def prepare_from_scratch(backbone: keras.Model, architecture: Architecture) -> keras.Model:
    """Rebuild an unfitted backbone for a short training from random weights.

    Running statistics follow quickly, normalisation is fused, residual branches start as identity
    (Goyal et al. 2017), and stochastic depth, made for hundreds of epochs, is off.
    """

    def rebuild(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config["momentum"] = _MOMENTUM
            if layer.name.endswith(architecture.residual_ends):
                config["gamma_initializer"] = "zeros"
            return BatchNormalization.from_config(config)
        if isinstance(layer, keras.layers.Dropout):
            config["rate"] = 0.0
        return type(layer).from_config(config)

    return keras.models.clone_model(backbone, clone_function=rebuild)
