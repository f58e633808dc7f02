"""Where a member's first weights come from. Nothing falls back silently."""

import warnings
from pathlib import Path

import keras
import numpy as np

from ml.contract.bundle import InputSpec, sha256_file
from ml.contract.errors import InvalidParams, NotFound, Unavailable, WeightsInvalid
from ml.params import Initialisation, TrainingParams
from ml.training.architectures import (
    Architecture,
    assemble,
    build_backbone,
    parse_member,
)
from ml.training.from_scratch import prepare_from_scratch

_OTHERS = "file (with training.weights), champion or random"


def build_member(
    name: str,
    spec: InputSpec,
    classes: int,
    *,
    initialisation: Initialisation,
    weights_file: Path | None = None,
    weights_sha256: str | None = None,
    dropout: float,
    l2: float,
) -> keras.Model:
    """Build a member and give it its first weights; see `assemble` for inputs and outputs.

    Args:
        weights_file: for `file` the backbone's weights, for `champion` those of a whole member.
        weights_sha256: what the file of `file` must hash to, where that is known.

    Raises:
        InvalidParams: unknown architecture, or a grid too small for it.
        NotFound: the weights file is missing.
        WeightsInvalid: it is damaged, altered, or belongs to another network.
        Unavailable: the ImageNet weights cannot be downloaded.
    """
    architecture, _ = parse_member(name)
    backbone = build_backbone(architecture, spec)
    if initialisation == "random":
        backbone = prepare_from_scratch(backbone, architecture)
    elif initialisation == "imagenet":
        _load_imagenet(backbone, architecture)
    elif initialisation == "file":
        _load(backbone, weights_file, weights_sha256)
    model = assemble(architecture, backbone, spec, classes, dropout=dropout, l2=l2)
    if initialisation == "champion":
        _load(model, weights_file, None)
    return model


def given_weights(name: str, params: TrainingParams) -> Path:
    """The file that `training.weights` gives an architecture.

    Raises:
        InvalidParams: it gives none.
    """
    if name not in params.weights:
        raise InvalidParams(
            f"Initialisation `file` has no file for {name}.",
            remedy=f'Set training.weights={{{name} = "PATH"}}, or another initialisation.',
        )
    return Path(params.weights[name])


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


def _load(target: keras.Model, path: Path | None, sha256: str | None) -> None:
    if path is None or not path.is_file():
        raise NotFound(
            f"The weights file {path or ''} does not exist.",
            remedy="Give an existing file, or choose another training.initialisation.",
        )
    _require_sha256(path, sha256)
    try:
        with warnings.catch_warnings():
            # Of layers that the file lacks Keras only warns, and leaves them as they were.
            warnings.simplefilter("error", UserWarning)
            target.load_weights(path)
    except OSError as error:
        raise WeightsInvalid(
            f"The weights file {path.name} is damaged: {error}",
            remedy="Fetch or export it again.",
        ) from error
    except (ValueError, KeyError, UserWarning) as error:
        raise WeightsInvalid(
            f"The weights file {path.name} does not fit {target.name}: {error}",
            remedy="Use weights of the same architecture, input and labels.",
        ) from error
    if not all(np.isfinite(values).all() for values in target.get_weights()):
        raise WeightsInvalid(
            f"The weights file {path.name} holds values that are not numbers.",
            remedy="Fetch or export it again.",
        )


def _require_sha256(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    actual = sha256_file(path)
    if actual != expected:
        raise WeightsInvalid(
            f"The weights file {path.name} has sha256 {actual}, "
            f"training.weights_sha256 asks for {expected}.",
            remedy="Fetch the file again, or correct the parameter after checking its source.",
        )
