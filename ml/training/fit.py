"""Train one member: head on frozen features, then fine-tuning, then its finished folder."""

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ml.contract.bundle import InputSpec, sha256_file
from ml.contract.errors import NotFound, TrainingFailed
from ml.contract.preprocessing import PREPROCESSING_VERSION
from ml.params import TrainingParams
from ml.training.architectures import BACKBONE, HEAD, find_architecture
from ml.training.augmentation import Augmentation, augment
from ml.training.checkpoint import write_member
from ml.training.data import TrainingData
from ml.training.features import head_layers, train_head
from ml.training.imbalance import class_weights, require_all_classes
from ml.training.initialisation import build_member, normalisation_layers
from ml.training.loop import OnEpoch, Progress, run_epochs
from ml.training.member_files import WEIGHTS_FILE, is_finished, read_member
from ml.training.results import MemberResult
from ml.training.scores import score
from ml.training.steps import Predictor, compile_train_step

logger = logging.getLogger(__name__)

_CONSTANT_LOGITS = 1e-4


def train_member(
    name: str,
    *,
    data: TrainingData,
    labels: Sequence[str],
    params: TrainingParams,
    spec: InputSpec,
    folder: Path,
    champion: Path | None = None,
    augmentation: Augmentation | None = None,
    feature_cache: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> MemberResult:
    """Train a member of the vote and leave its finished folder (see `member_files`).

    A folder that already holds this member, trained on the same data with the same parameters, is
    returned as it is. Otherwise training starts from its beginning.

    Args:
        name: an architecture.
        champion: for initialisation `champion`: the incumbent's folder of the same architecture.
        augmentation: views of training images; by default those of `params`.
        feature_cache: where features of the frozen backbone are kept between trainings.

    Raises:
        TrainingFailed: a class is missing, the loss is not a number, or the output is constant.
        NotFound: the champion or the weights file is missing.
        Unavailable: ImageNet weights cannot be downloaded.
    """
    augmentation = augmentation or planned_augmentation(params)
    weights_file = _weights_file(name, params, champion)
    fingerprint = _fingerprint(name, data, labels, params, spec, augmentation, weights_file)
    if is_finished(folder, fingerprint):
        logger.info("%s has been trained on this data before.", name)
        return read_member(folder)
    require_all_classes(data.train_labels, labels, "training")
    require_all_classes(data.validation_labels, labels, "validation")
    started = time.monotonic()
    keras.utils.set_random_seed(params.seed)
    model = build_member(
        name,
        spec,
        len(labels),
        initialisation=params.initialisation,
        weights_file=weights_file,
        dropout=params.dropout,
        l2=params.l2,
    )
    logger.info("Training %s, initialised from %s.", name, params.initialisation)
    predictor = Predictor(model)
    progress = Progress(model.variables, on_epoch)
    rng = np.random.default_rng(params.seed)
    if params.head_epochs > 0:
        train_head(
            model, predictor, data, labels, params, progress, rng=rng, cache_folder=feature_cache
        )
        progress.restore_best()
    if params.epochs > 0:
        _fine_tune(model, predictor, data, params, augmentation, progress, rng)
        progress.restore_best()
    outputs = predictor(data.validation_images)
    _require_variation(outputs.logits, name)
    result = MemberResult(
        member=name,
        architecture=name,
        fingerprint=fingerprint,
        labels=list(labels),
        input=spec,
        dropout=params.dropout,
        l2=params.l2,
        initialisation=params.initialisation,
        epochs=len(progress.history),
        best_epoch=progress.best_epoch,
        seconds=round(time.monotonic() - started, 2),
        validation=score(outputs.logits, data.validation_labels),
        history=progress.history,
    )
    write_member(folder, model, outputs, result)
    return result


def planned_augmentation(params: TrainingParams) -> Augmentation:
    """The views that the parameters ask for."""
    return Augmentation(
        rotation_degrees=params.rotation_degrees,
        zoom=params.zoom,
        horizontal_flip=params.horizontal_flip,
    )


def _fine_tune(
    model: keras.Model,
    predictor: Predictor,
    data: TrainingData,
    params: TrainingParams,
    augmentation: Augmentation,
    progress: Progress,
    rng: np.random.Generator,
) -> None:
    _freeze(model, params)
    classes = model.get_layer(HEAD).units
    even = np.ones(classes, np.float32)
    batch_size = min(params.batch_size, len(data.train_labels))
    step = compile_train_step(
        lambda inputs: model(inputs, training=True)["logits"],
        lambda: model.losses,
        model.trainable_variables,
        input_shape=model.input_shape[1:],
        batch_size=batch_size,
        class_weights=class_weights(data.train_labels, classes) if params.class_weights else even,
    )
    run_epochs(
        step,
        lambda positions: (
            augment(data.train_images[positions], augmentation, rng),
            data.train_labels[positions],
        ),
        lambda: score(predictor(data.validation_images).logits, data.validation_labels),
        progress,
        phase="fine_tune",
        examples=len(data.train_labels),
        batch_size=batch_size,
        epochs=params.epochs,
        peak_rate=_peak_rate(model.name, params),
        patience=params.early_stopping_patience,
        rng=rng,
    )


def _peak_rate(name: str, params: TrainingParams) -> float:
    from_scratch = params.initialisation == "random"
    return params.learning_rate * (find_architecture(name).scratch_rate if from_scratch else 1.0)


def _freeze(model: keras.Model, params: TrainingParams) -> None:
    """From `random` all layers learn; otherwise the head and the backbone's last layers.

    Normalisation of a pretrained backbone stays in inference mode: statistics of small batches
    would undo it, and converted weights may hold no statistics at all.
    """
    if params.initialisation == "random":
        return
    backbone = model.get_layer(BACKBONE)
    tuned = set(backbone.layers[-params.trainable_layers :] if params.trainable_layers else [])
    still = normalisation_layers(backbone)
    for layer in backbone.layers:
        layer.trainable = layer in tuned and layer not in still
    for layer in head_layers(model):
        layer.trainable = True


def _weights_file(name: str, params: TrainingParams, champion: Path | None) -> Path | None:
    if params.initialisation == "file":
        return Path(params.weights_folder) / f"{name}.weights.h5"
    if params.initialisation != "champion":
        return None
    if champion is None or not (champion / WEIGHTS_FILE).is_file():
        raise NotFound(
            f"The incumbent has no trained {name} to start from.",
            remedy="Choose another training.initialisation, or the incumbent's members.",
        )
    return champion / WEIGHTS_FILE


def _fingerprint(
    name: str,
    data: TrainingData,
    labels: Sequence[str],
    params: TrainingParams,
    spec: InputSpec,
    augmentation: Augmentation,
    weights_file: Path | None,
) -> str:
    content = [
        PREPROCESSING_VERSION,
        find_architecture(name).name,
        data.sha256,
        list(labels),
        params.model_dump(mode="json", exclude={"members", "weights_folder"}),
        spec.model_dump(),
        repr(augmentation),
        sha256_file(weights_file) if weights_file and weights_file.is_file() else None,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _require_variation(logits: npt.NDArray[np.float32], name: str) -> None:
    if float(np.ptp(logits, axis=0).max()) < _CONSTANT_LOGITS:
        raise TrainingFailed(
            f"{name} gives every validation image the same answer.",
            remedy="Check the images, or change training.learning_rate.",
        )
