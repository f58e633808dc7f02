"""Float RGB −1…1, as preprocessing gives it, → what a backbone was pretrained on."""

import keras
from keras import layers

# ImageNet's mean and standard deviation per channel, on 0…1.
_MEANS = (0.485, 0.456, 0.406)
_STDS = (0.229, 0.224, 0.225)


def as_is(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """For backbones that take −1…1."""
    return rgb


def as_caffe(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """For weights that came from Caffe: BGR, 0…255, minus ImageNet's mean per channel."""
    bgr = layers.Concatenate()([rgb[..., 2:], rgb[..., 1:2], rgb[..., :1]])
    offsets = [127.5 - mean for mean in (103.939, 116.779, 123.68)]
    return layers.Rescaling(127.5, offsets)(bgr)


def as_standardised(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """For weights that came from PyTorch: ImageNet's mean 0 and standard deviation 1."""
    scales = [0.5 / std for std in _STDS]
    offsets = [(0.5 - mean) / std for mean, std in zip(_MEANS, _STDS, strict=True)]
    return layers.Rescaling(scales, offsets)(rgb)


def as_efficientnet(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """For EfficientNet, whose graph divides by 255 and then normalises by its own weights.

    With ImageNet weights Keras adds a further division by √std after that normalisation, without
    them it does not. Folding that division in here gives one graph for every initialisation.
    """
    roots = [std**0.5 for std in _STDS]
    scales = [127.5 / root for root in roots]
    offsets = [
        127.5 / root + 255 * mean * (1 - 1 / root) for mean, root in zip(_MEANS, roots, strict=True)
    ]
    return layers.Rescaling(scales, offsets)(rgb)
