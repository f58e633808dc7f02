import keras
import pytest
from keras import layers

from ml.contract.bundle import InputSpec
from ml.training.architectures import ARCHITECTURES, build_backbone, find_architecture
from ml.training.multiplications import multiplications


def test_a_convolution_counts_its_kernel_at_every_position():
    inputs = keras.Input((20, 30, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(inputs)
    x = layers.DepthwiseConv2D(5, padding="same")(x)
    model = keras.Model(inputs, layers.Dense(4)(x))
    positions = 10 * 15
    assert multiplications(model) == positions * (3 * 3 * 3 * 8 + 5 * 5 * 8 + 8 * 4)


def test_a_model_within_a_model_counts_as_well():
    inner_inputs = keras.Input((8, 8, 2))
    inner = keras.Model(inner_inputs, layers.Conv2D(3, 1)(inner_inputs))
    inputs = keras.Input((8, 8, 2))
    assert multiplications(keras.Model(inputs, inner(inputs))) == 64 * 2 * 3


@pytest.mark.parametrize(("name", "published"), [("mobilenetv2", 300e6), ("efficientnetb0", 390e6)])
def test_published_networks_count_what_was_published(name, published):
    """Sandler et al. (CVPR 2018) and Tan & Le (ICML 2019), at 224 px."""
    spec = InputSpec(height=224, width=224, channels=1)
    backbone = build_backbone(find_architecture(name), spec)
    assert multiplications(backbone) == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_can_be_counted(name):
    backbone = build_backbone(find_architecture(name), InputSpec(height=96, width=96, channels=1))
    assert multiplications(backbone) > 1e6
