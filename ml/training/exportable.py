"""Layers that compute what Keras's do, but of operations that exist in ONNX and run on any CPU."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="vigie")
def gelu(x: keras.KerasTensor) -> keras.KerasTensor:
    """Exact GELU (Hendrycks & Gimpel 2016) through erf: TensorFlow's own uses erfc."""
    return 0.5 * x * (1 + ops.erf(x / math.sqrt(2)))


class Conv2D(layers.Conv2D):
    """Keras's layer with one group per channel, as the depthwise convolution that it is.

    A grouped convolution is compiled by XLA in Keras: slow to build on a CPU, and no converter
    sees through it. Kernel and name are Keras's own, since weights files address layers by them.
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve (n, height, width, channels) with the kernel (k, k, 1, channels)."""
        outputs = ops.depthwise_conv(
            inputs,
            ops.transpose(self.kernel, (0, 1, 3, 2)),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )
        return outputs + self.bias if self.use_bias else outputs


class Dense(layers.Dense):
    """Keras's layer on maps, as the convolution by one pixel that it is.

    As a product it needs the shapes of its input at run time; as a convolution it also has int8
    kernels. The name is Keras's own for the same reason.
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Map (n, height, width, channels) to (n, height, width, units)."""
        outputs = ops.conv(inputs, self.kernel[None, None], padding="valid")
        return self.activation(outputs + self.bias if self.use_bias else outputs)


def make_exportable(backbone: keras.Model) -> keras.Model:
    """Rebuild a backbone; layers, weights and answers stay the same."""

    def rebuild(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if isinstance(layer, layers.Conv2D) and 1 < layer.groups == layer.filters:
            return Conv2D.from_config(config)
        if isinstance(layer, layers.Dense) and len(layer.input.shape) == 4:
            return Dense.from_config(config)
        if isinstance(layer, layers.Activation) and config["activation"] == "gelu":
            return layers.Activation(gelu, name=layer.name)
        return type(layer).from_config(config)

    return keras.models.clone_model(backbone, clone_function=rebuild, recursive=True)
