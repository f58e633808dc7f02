"""Where a member's first weights come from. Nothing falls back silently."""

import warnings
from pathlib import Path

import keras

from ml.contract.bundle import InputSpec
from ml.contract.errors import InvalidParams, NotFound, Unavailable
from ml.params import Initialisation
from ml.training.architectures import (
    Architecture,
    assemble,
    build_backbone,
    find_architecture,
)
from ml.training.from_scratch import prepare_from_scratch

_OTHERS = "file (training.weights_folder), champion or random"


def build_member(
    name: str,
    spec: InputSpec,
    classes: int,
    *,
    initialisation: Initialisation,
    weights_file: Path | None = None,
    dropout: float,
    l2: float,
) -> keras.Model:
    """Build a member and give it its first weights; see `assemble` for inputs and outputs.

    Args:
        weights_file: for `file` the backbone's weights, for `champion` those of a whole member.

    Raises:
        InvalidParams: unknown architecture, or a grid too small for it.
        NotFound: the weights file is missing or belongs to something else.
        Unavailable: the ImageNet weights cannot be downloaded.
    """
    architecture = find_architecture(name)
    backbone = build_backbone(architecture, spec)
    if initialisation == "random":
        backbone = prepare_from_scratch(backbone, architecture)
    elif initialisation == "imagenet":
        _load_imagenet(backbone, architecture)
    elif initialisation == "file":
        _load(backbone, weights_file, "weights file")
    model = assemble(architecture, backbone, spec, classes, dropout=dropout, l2=l2)
    if initialisation == "champion":
        _load(model, weights_file, "champion's weights")
    return model


def normalisation_layers(backbone: keras.Model) -> list[keras.layers.Layer]:
    """The backbone's batch normalisation layers."""
    return [
        layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]


def _load_imagenet(backbone: keras.Model, architecture: Architecture) -> None:
    if architecture.pretrained is None:
        raise InvalidParams(
            f"There are no ImageNet weights for {architecture.name}.",
            remedy=f"Set training.initialisation to {_OTHERS}.",
        )
    try:
        pretrained = architecture.pretrained()
    except Exception as error:  # Keras wraps network failures in bare Exception
        raise Unavailable(
            f"The ImageNet weights of {architecture.name} could not be downloaded: {error}",
            remedy=f"Allow the download, or set training.initialisation to {_OTHERS}.",
        ) from error
    backbone.set_weights(pretrained.get_weights())


def _load(target: keras.Model, path: Path | None, what: str) -> None:
    if path is None or not path.is_file():
        raise NotFound(
            f"The {what} {path or ''} does not exist.",
            remedy="Give an existing file, or choose another training.initialisation.",
        )
    try:
        with warnings.catch_warnings():
            # Of layers that the file lacks Keras only warns, and leaves them as they were.
            warnings.simplefilter("error", UserWarning)
            target.load_weights(path)
    except (ValueError, KeyError, OSError, UserWarning) as error:
        raise NotFound(
            f"The {what} {path.name} does not fit {target.name}: {error}",
            remedy="Use weights of the same architecture, input and labels.",
        ) from error
