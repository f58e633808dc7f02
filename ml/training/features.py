"""First stage of transfer: the head alone, on cached features of the frozen backbone."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ml.contract.preprocessing import PREPROCESSING_VERSION
from ml.params import TrainingParams
from ml.training.architectures import BACKBONE, HEAD
from ml.training.checkpoint import weights_digest
from ml.training.data import Images, TrainingData, blocks
from ml.training.imbalance import balance_embeddings, class_weights
from ml.training.loop import Progress, run_epochs
from ml.training.process import training_devices
from ml.training.results import ValidationScores
from ml.training.row_cache import RowCache
from ml.training.scores import score
from ml.training.steps import Floats, Labels, Predictor, TrainStep

logger = logging.getLogger(__name__)

# A head is a small convex problem: it takes a far larger rate than the layers below it.
_HEAD_RATE = 1e-3
_SEGMENT = 512


def train_head(
    model: keras.Model,
    predictor: Predictor,
    data: TrainingData,
    labels: Sequence[str],
    params: TrainingParams,
    progress: Progress,
    *,
    rng: np.random.Generator,
    cache_folder: Path | None,
) -> None:
    """Train dropout and dense layers on pooled features, balanced by SMOTE if `params.smote`.

    Raises:
        TrainingFailed: a class is too small for SMOTE, or the loss is no longer a number.
    """
    weights_key = backbone_digest(model)
    train = extract_features(predictor, data.train_images, weights_key, cache_folder)
    validation = extract_features(predictor, data.validation_images, weights_key, cache_folder)
    features, targets, loss_weights = _balance(train, data.train_labels, labels, params)
    head = head_layers(model)
    batch_size = min(params.batch_size, len(features))
    step = TrainStep(
        lambda inputs: _apply(head, inputs, training=True),
        lambda: [loss for layer in head for loss in layer.losses],
        [variable for layer in head for variable in layer.trainable_variables],
        input_shape=features.shape[1:],
        batch_size=batch_size,
        class_weights=loss_weights,
        devices=training_devices()[:1],  # the head is too small to share
    )

    def validate() -> ValidationScores:
        logits = _apply(head, tf.constant(validation), training=False)
        return score(logits.numpy(), data.validation_labels)

    run_epochs(
        step,
        lambda positions: (features[positions], targets[positions]),
        validate,
        progress,
        phase="head",
        examples=len(features),
        batch_size=batch_size,
        epochs=params.head_epochs,
        peak_rate=_HEAD_RATE,
        patience=params.early_stopping_patience,
        rng=rng,
    )


def extract_features(
    predictor: Predictor, images: Images, weights_key: str, cache_folder: Path | None
) -> Floats:
    """Pooled features (n, k) of uint8 images.

    Args:
        weights_key: see `backbone_digest`.
        cache_folder: keeps each image's features under its pixels, the preprocessing and the
            backbone: images that were seen before are not computed again, and a training that is
            repeated reads the same bits.

    Raises:
        DiskFull: there is no room for the cache.
    """
    if cache_folder is None:
        return predictor(images).features
    cache = RowCache(cache_folder / f"{weights_key[:32]}-{PREPROCESSING_VERSION}")
    identities = [
        hashlib.sha256(image.tobytes()).hexdigest() for block in blocks(images) for image in block
    ]
    new = {name: row for row, name in enumerate(identities) if name not in cache}
    logger.info("Features of %d images, %d of them new.", len(identities), len(new))
    # Several segments, so that an interrupted extraction keeps what it has.
    for start in range(0, len(new), _SEGMENT):
        names = list(new)[start : start + _SEGMENT]
        features = predictor(images[np.array([new[name] for name in names])]).features
        digest = hashlib.sha256("".join(names).encode()).hexdigest()[:32]
        cache.add(digest, names, [features], shape=features.shape[1:], dtype=np.float32)
    return np.stack([cache[name] for name in identities])


def backbone_digest(model: keras.Model) -> str:
    """Identity of architecture and backbone weights."""
    weights = weights_digest(model.get_layer(BACKBONE))
    return hashlib.sha256(f"{model.name} {model.input_shape} {weights}".encode()).hexdigest()


def head_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers from pooled features to logits, in order."""
    return [
        layer for layer in model.layers if layer.name == "dropout" or layer.name.startswith(HEAD)
    ]


def _apply(head: Sequence[keras.layers.Layer], inputs: tf.Tensor, *, training: bool) -> tf.Tensor:
    outputs = inputs
    for layer in head:
        is_dropout = isinstance(layer, keras.layers.Dropout)
        outputs = layer(outputs, training=training) if is_dropout else layer(outputs)
    return outputs


def _balance(
    features: Floats, targets: Labels, labels: Sequence[str], params: TrainingParams
) -> tuple[Floats, Labels, Floats]:
    even = np.ones(len(labels), np.float32)
    if params.smote:
        balanced, balanced_targets = balance_embeddings(features, targets, labels, seed=params.seed)
        return balanced, balanced_targets, even
    weights = class_weights(targets, len(labels)) if params.class_weights else even
    return features, targets, weights
