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
from ml.training.architectures import BACKBONE, HEAD, Architecture, parse_member
from ml.training.augmentation import Augmentation, augment
from ml.training.checkpoint import weights_digest, write_member
from ml.training.data import TrainingData
from ml.training.features import head_layers, train_head
from ml.training.imbalance import class_weights, require_all_classes
from ml.training.initialisation import build_member, given_weights, normalisation_layers
from ml.training.loop import OnEpoch, Progress, run_epochs
from ml.training.member_files import WEIGHTS_FILE, is_finished, read_member
from ml.training.multiplications import multiplications
from ml.training.process import make_deterministic, threads_in_use, training_devices
from ml.training.results import MemberResult
from ml.training.resume import CHECKPOINT_FILE, Checkpoint
from ml.training.scores import score
from ml.training.steps import Predictor, TrainStep

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
    returned as it is; a training of them that was interrupted goes on after its last epoch.

    Args:
        name: an architecture, or a replica of one (see `parse_member`).
        champion: for initialisation `champion`: the incumbent's folder of the same architecture.
        augmentation: views of training images; by default those of `params`.
        feature_cache: where features of the frozen backbone are kept between trainings.

    Raises:
        TrainingFailed: a class is missing, the loss is not a number, or the output is constant.
        NotFound: the champion or the weights file is missing.
        WeightsInvalid: they are damaged, altered, or belong to another network.
        Unavailable: ImageNet weights cannot be downloaded.
        DiskFull: there is no room for features, a checkpoint or the member.
    """
    architecture, replica = parse_member(name)
    params = params.model_copy(update={"seed": params.seed + replica - 1})
    augmentation = augmentation or planned_augmentation(params)
    weights_file = _weights_file(architecture, params, champion)
    fingerprint = _fingerprint(architecture, data, labels, params, spec, augmentation, weights_file)
    if is_finished(folder, fingerprint):
        logger.info("%s has been trained on this data before.", name)
        return read_member(folder)
    require_all_classes(data.train_labels, labels, "training")
    require_all_classes(data.validation_labels, labels, "validation")
    started = time.monotonic()
    make_deterministic(params.seed)
    model = build_member(
        architecture.name,
        spec,
        len(labels),
        initialisation=params.initialisation,
        weights_file=weights_file,
        weights_sha256=params.weights_sha256.get(architecture.name),
        dropout=params.dropout,
        l2=params.l2,
    )
    logger.info("Training %s, initialised from %s.", name, params.initialisation)
    predictor = Predictor(model)
    progress = Progress(model.variables, on_epoch)
    rng = np.random.default_rng(params.seed)
    checkpoint = Checkpoint(folder / CHECKPOINT_FILE, fingerprint, progress, rng)
    slots = checkpoint.resume()
    if slots is None and params.head_epochs > 0:
        train_head(
            model, predictor, data, labels, params, progress, rng=rng, cache_folder=feature_cache
        )
        progress.restore_best()
        checkpoint.write([])
    if params.epochs > 0:
        step = _fine_tuning_step(model, data, params, slots or [])
        peak_rate = _peak_rate(architecture, params)
        _fine_tune(step, predictor, data, params, augmentation, checkpoint, peak_rate=peak_rate)
        progress.restore_best()
    outputs = predictor(data.validation_images)
    _require_variation(outputs.logits, name)
    result = MemberResult(
        member=name,
        architecture=architecture.name,
        fingerprint=fingerprint,
        labels=list(labels),
        input=spec,
        dropout=params.dropout,
        l2=params.l2,
        initialisation=params.initialisation,
        initial_weights_sha256=sha256_file(weights_file) if weights_file else None,
        epochs=len(progress.history),
        best_epoch=progress.best_epoch,
        seconds=round(time.monotonic() - started, 2),
        threads=threads_in_use(),
        weights_sha256=weights_digest(model),
        multiplications=multiplications(model.get_layer(BACKBONE)),
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
        shift=params.shift,
        gain=params.gain,
        contrast=params.contrast,
    )


def _fine_tuning_step(
    model: keras.Model, data: TrainingData, params: TrainingParams, slots: Sequence[np.ndarray]
) -> TrainStep:
    """The step over all layers that learn; `slots` are those of an interrupted training."""
    _freeze(model, params)
    classes = model.get_layer(HEAD).units
    even = np.ones(classes, np.float32)
    step = TrainStep(
        lambda inputs: model(inputs, training=True)["logits"],
        lambda: model.losses,
        model.trainable_variables,
        input_shape=model.input_shape[1:],
        batch_size=min(params.batch_size, len(data.train_labels)),
        class_weights=class_weights(data.train_labels, classes) if params.class_weights else even,
        devices=training_devices(),
    )
    if slots:
        step.restore(slots)
    return step


def _fine_tune(
    step: TrainStep,
    predictor: Predictor,
    data: TrainingData,
    params: TrainingParams,
    augmentation: Augmentation,
    checkpoint: Checkpoint,
    *,
    peak_rate: float,
) -> None:
    rng = checkpoint.rng
    run_epochs(
        step,
        lambda positions: (
            augment(data.train_images[positions], augmentation, rng),
            data.train_labels[positions],
        ),
        lambda: score(predictor(data.validation_images).logits, data.validation_labels),
        checkpoint.progress,
        phase="fine_tune",
        examples=len(data.train_labels),
        batch_size=step.batch_size,
        epochs=params.epochs,
        peak_rate=peak_rate,
        patience=params.early_stopping_patience,
        rng=rng,
        keep=lambda: checkpoint.write(step.state),
    )


def _peak_rate(architecture: Architecture, params: TrainingParams) -> float:
    from_scratch = params.initialisation == "random"
    return params.learning_rate * (architecture.scratch_rate if from_scratch else 1.0)


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


def _weights_file(
    architecture: Architecture, params: TrainingParams, champion: Path | None
) -> Path | None:
    if params.initialisation == "file":
        return given_weights(architecture.name, params)
    if params.initialisation != "champion":
        return None
    if champion is None or not (champion / WEIGHTS_FILE).is_file():
        raise NotFound(
            f"The incumbent has no trained {architecture.name} to start from.",
            remedy="Choose another training.initialisation, or the incumbent's members.",
        )
    return champion / WEIGHTS_FILE


def _fingerprint(
    architecture: Architecture,
    data: TrainingData,
    labels: Sequence[str],
    params: TrainingParams,
    spec: InputSpec,
    augmentation: Augmentation,
    weights_file: Path | None,
) -> str:
    content = [
        PREPROCESSING_VERSION,
        architecture.name,
        data.sha256,
        list(labels),
        params.model_dump(
            mode="json", exclude={"members", "weights", "weights_sha256", "warm_start"}
        ),
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
