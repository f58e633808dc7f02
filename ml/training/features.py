"""First stage of transfer: the head alone, on cached features of the frozen backbone."""

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ml.contract.decoding import Pixels
from ml.contract.preprocessing import PREPROCESSING_VERSION
from ml.params import TrainingParams
from ml.training.architectures import BACKBONE, HEAD
from ml.training.data import TrainingData
from ml.training.imbalance import balance_embeddings, class_weights
from ml.training.loop import Progress, run_epochs
from ml.training.results import ValidationScores
from ml.training.scores import score
from ml.training.steps import Floats, Labels, Predictor, compile_train_step

logger = logging.getLogger(__name__)

# A head is a small convex problem: it takes a far larger rate than the layers below it.
_HEAD_RATE = 1e-3


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
    step = compile_train_step(
        lambda inputs: _apply(head, inputs, training=True),
        lambda: [loss for layer in head for loss in layer.losses],
        [variable for layer in head for variable in layer.trainable_variables],
        input_shape=features.shape[1:],
        batch_size=batch_size,
        class_weights=loss_weights,
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
    predictor: Predictor, images: Pixels, weights_key: str, cache_folder: Path | None
) -> Floats:
    """Pooled features (n, k) of uint8 images, kept in `cache_folder` under their full identity."""
    if cache_folder is None:
        return predictor(images).features
    digest = hashlib.sha256(f"{PREPROCESSING_VERSION} {images.shape} {weights_key}".encode())
    digest.update(np.ascontiguousarray(images).data)
    path = cache_folder / f"{digest.hexdigest()[:32]}.npy"
    if path.is_file():
        logger.info("Features of %d images were extracted before.", len(images))
        return np.load(path, allow_pickle=False)
    features = predictor(images).features
    cache_folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    np.save(partial, features)
    partial.replace(path)
    return features


def backbone_digest(model: keras.Model) -> str:
    """Identity of architecture and backbone weights."""
    digest = hashlib.sha256(f"{model.name} {model.input_shape}".encode())
    for value in model.get_layer(BACKBONE).get_weights():
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()


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
