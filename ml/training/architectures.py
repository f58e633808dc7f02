"""The networks that can be members. A new one is one entry in `ARCHITECTURES`."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from ml.contract.bundle import InputSpec
from ml.contract.errors import InvalidParams
from ml.training.exportable import make_exportable
from ml.training.input_adaptation import as_caffe, as_efficientnet, as_is, as_standardised
from ml.training.vit import PATCH, roll_back, vision_transformer

BACKBONE = "backbone"
HEAD = "head"


ClassActivation = Callable[..., keras.KerasTensor]


def where_it_is_scored(scores: keras.KerasTensor) -> keras.KerasTensor:
    """Class activation map of a convolutional network: the head at every position.

    With a linear head its mean is the logits (Zhou et al. 2016).
    """
    return scores


@dataclass(frozen=True, slots=True)
class Architecture:
    """One network up to its last feature map, and how it wants its input.

    `build(height, width)` gives an unfitted backbone for 3-channel input. Its first output is the
    feature map (n, rows, columns, k); further ones go to `class_activation`, which turns the head
    applied at every position, (n, rows, columns, classes), into the map that people see.
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
    class_activation: ClassActivation = where_it_is_scored
    hidden: tuple[int, ...] = ()
    residual_ends: tuple[str, ...] = ()
    scratch_rate: float = 1.0


def _application(
    constructor: Callable[..., keras.Model], **options: object
) -> Callable[[int, int], keras.Model]:
    def build(height: int, width: int) -> keras.Model:
        return constructor(
            include_top=False,
            weights=None,
            input_shape=(height, width, 3),
            name=BACKBONE,
            **options,
        )

    return build


def _imagenet(
    constructor: Callable[..., keras.Model], **options: object
) -> Callable[[], keras.Model]:
    return lambda: constructor(include_top=False, weights="imagenet", **options)


def _convnext_tiny(height: int, width: int) -> keras.Model:
    build = _application(keras.applications.ConvNeXtTiny, include_preprocessing=False)
    return make_exportable(build(height, width))


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
        Architecture(
            "mobilenetv3",
            _application(keras.applications.MobileNetV3Large, include_preprocessing=False),
            as_is,
            minimum_side=32,
            pretrained=_imagenet(keras.applications.MobileNetV3Large, include_preprocessing=False),
        ),
        Architecture(
            "convnexttiny",
            _convnext_tiny,
            as_standardised,
            minimum_side=32,
            pretrained=_imagenet(keras.applications.ConvNeXtTiny, include_preprocessing=False),
        ),
        Architecture(
            "vit",
            vision_transformer,
            as_is,
            minimum_side=2 * PATCH,
            class_activation=roll_back,
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


def parse_member(name: str) -> tuple[Architecture, int]:
    """The architecture of a member, and which replica of it the member is, counted from 1.

    `resnet50` is the first; `resnet50-2` differs from it by its seed alone. Networks that differ
    by chance vote better than each of them (Lakshminarayanan et al., NeurIPS 2017).

    Raises:
        InvalidParams: there is no such architecture.
    """
    architecture, dash, replica = name.rpartition("-")
    if dash and replica.isdecimal() and int(replica) > 1:
        return find_architecture(architecture), int(replica)
    return find_architecture(name), 1


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
    (n, k), the pooled feature map; `activation_map` (n, rows, columns, classes), see
    `Architecture.class_activation`.
    """
    images = keras.Input((spec.height, spec.width, spec.channels), name="images")
    rgb = layers.Concatenate()([images] * 3) if spec.channels == 1 else images
    outputs = backbone(architecture.adapt(rgb))
    maps, *attention = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    features = layers.GlobalAveragePooling2D(name="features")(maps)
    logits, scores = features, maps
    for number, units in enumerate(architecture.hidden):
        hidden = layers.Dense(units, activation="relu", name=f"{HEAD}_hidden_{number}")
        logits, scores = hidden(logits), hidden(scores)
    regulariser = keras.regularizers.L2(l2) if l2 else None
    head = layers.Dense(classes, name=HEAD, kernel_regularizer=regulariser)
    logits = head(layers.Dropout(dropout, name="dropout")(logits))
    activation_map = architecture.class_activation(head(scores), *attention)
    named = {
        "logits": layers.Identity(name="logits")(logits),
        "features": features,
        "activation_map": layers.Identity(name="activation_map")(activation_map),
    }
    return keras.Model(images, named, name=architecture.name)
