"""The networks that can be members. A new one is one entry in `ARCHITECTURES`."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from ml.contract.bundle import InputSpec
from ml.contract.errors import InvalidParams

BACKBONE = "backbone"
HEAD = "head"


@dataclass(frozen=True, slots=True)
class Architecture:
    """One network up to its last feature map, and how it wants its input.

    `build(side_height, side_width)` gives an unfitted backbone for 3-channel input;
    `adapt` turns float RGB −1…1 into what that backbone was pretrained on; `hidden` are the
    widths of dense layers between pooled features and logits; `residual_ends` are endings of the
    names of batch normalisation layers that close a residual branch; `scratch_rate` is the
    multiple of `training.learning_rate` at which it learns best from random weights.
    """

    name: str
    build: Callable[[int, int], keras.Model]
    adapt: Callable[[keras.KerasTensor], keras.KerasTensor]
    minimum_side: int
    pretrained: Callable[[], keras.Model] | None = None
    hidden: tuple[int, ...] = ()
    residual_ends: tuple[str, ...] = ()
    scratch_rate: float = 1.0


def as_is(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """For backbones that take −1…1."""
    return rgb


def as_caffe(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """For weights that came from Caffe: BGR, 0…255, minus ImageNet's mean per channel."""
    bgr = layers.Concatenate()([rgb[..., 2:], rgb[..., 1:2], rgb[..., :1]])
    offsets = [127.5 - mean for mean in (103.939, 116.779, 123.68)]
    return layers.Rescaling(127.5, offsets)(bgr)


def as_efficientnet(rgb: keras.KerasTensor) -> keras.KerasTensor:
    """For EfficientNet, whose graph divides by 255 and then normalises by its own weights.

    With ImageNet weights Keras adds a further division by √std after that normalisation, without
    them it does not. Folding that division in here gives one graph for every initialisation.
    """
    means, stds = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    roots = [std**0.5 for std in stds]
    scales = [127.5 / root for root in roots]
    offsets = [
        127.5 / root + 255 * mean * (1 - 1 / root) for mean, root in zip(means, roots, strict=True)
    ]
    return layers.Rescaling(scales, offsets)(rgb)


def _application(constructor: Callable[..., keras.Model]) -> Callable[[int, int], keras.Model]:
    def build(height: int, width: int) -> keras.Model:
        return constructor(
            include_top=False, weights=None, input_shape=(height, width, 3), name=BACKBONE
        )

    return build


def _imagenet(constructor: Callable[..., keras.Model]) -> Callable[[], keras.Model]:
    return lambda: constructor(include_top=False, weights="imagenet")


def _scratch_cnn(height: int, width: int) -> keras.Model:
    """Four convolutions, each followed by normalisation and pooling: the baseline of papers."""
    inputs = keras.Input((height, width, 3))
    x = inputs
    for filters in (32, 64, 128, 128):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, x, name=BACKBONE)


ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "resnet50",
            _application(keras.applications.ResNet50),
            as_caffe,
            minimum_side=32,
            pretrained=_imagenet(keras.applications.ResNet50),
            residual_ends=("_3_bn",),
        ),
        Architecture(
            "inceptionv3",
            _application(keras.applications.InceptionV3),
            as_is,
            minimum_side=75,
            pretrained=_imagenet(keras.applications.InceptionV3),
            scratch_rate=2.0,
        ),
        Architecture(
            "efficientnetb0",
            _application(keras.applications.EfficientNetB0),
            as_efficientnet,
            minimum_side=32,
            pretrained=_imagenet(keras.applications.EfficientNetB0),
            scratch_rate=4.0,
        ),
        Architecture(
            "mobilenetv2",
            _application(keras.applications.MobileNetV2),
            as_is,
            minimum_side=32,
            pretrained=_imagenet(keras.applications.MobileNetV2),
        ),
        Architecture("cnn", _scratch_cnn, as_is, minimum_side=16, hidden=(64,)),
    )
}


def find_architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises:
        InvalidParams: there is none of that name.
    """
    if name not in ARCHITECTURES:
        raise InvalidParams(
            f"There is no architecture {name!r}.",
            remedy=f"Choose members from {', '.join(ARCHITECTURES)}.",
        )
    return ARCHITECTURES[name]


def build_backbone(architecture: Architecture, spec: InputSpec) -> keras.Model:
    """Build the network below pooling, with unfitted weights.

    Raises:
        InvalidParams: the grid is smaller than the architecture can take.
    """
    side = min(spec.height, spec.width)
    if side < architecture.minimum_side:
        raise InvalidParams(
            f"{architecture.name} needs images of at least {architecture.minimum_side} pixels a "
            f"side, image.size is {side}.",
            remedy="Raise image.size or leave the member out.",
        )
    return architecture.build(spec.height, spec.width)


def assemble(
    architecture: Architecture,
    backbone: keras.Model,
    spec: InputSpec,
    classes: int,
    *,
    dropout: float,
    l2: float,
) -> keras.Model:
    """Put pooling and a new head on a backbone.

    Input float32 (n, height, width, channels), −1…1. Outputs: `logits` (n, classes); `features`
    (n, k), the pooled feature map; `activation_map` (n, rows, columns, classes), the head applied
    at every position (Zhou et al. 2016): with a linear head its mean is the logits.
    """
    images = keras.Input((spec.height, spec.width, spec.channels), name="images")
    rgb = layers.Concatenate()([images] * 3) if spec.channels == 1 else images
    maps = backbone(architecture.adapt(rgb))
    features = layers.GlobalAveragePooling2D(name="features")(maps)
    logits, activation_map = features, maps
    for number, units in enumerate(architecture.hidden):
        hidden = layers.Dense(units, activation="relu", name=f"{HEAD}_hidden_{number}")
        logits, activation_map = hidden(logits), hidden(activation_map)
    regulariser = keras.regularizers.L2(l2) if l2 else None
    head = layers.Dense(classes, name=HEAD, kernel_regularizer=regulariser)
    logits = head(layers.Dropout(dropout, name="dropout")(logits))
    outputs = {
        "logits": layers.Identity(name="logits")(logits),
        "features": features,
        "activation_map": layers.Identity(name="activation_map")(head(activation_map)),
    }
    return keras.Model(images, outputs, name=architecture.name)
