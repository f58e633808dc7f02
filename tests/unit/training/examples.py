"""Small training data that a network learns in seconds: the brightness of a blob is its label."""

import numpy as np

from ml.contract.bundle import InputSpec
from ml.params import TrainingParams, WarmStartParams
from ml.training.data import TrainingData

LABELS = ["normal", "benign", "malignant"]
SPEC = InputSpec(height=32, width=32, channels=1)
PARAMS = TrainingParams(
    members=["cnn"],
    initialisation="random",
    head_epochs=0,
    epochs=2,
    trainable_layers=20,
    batch_size=8,
    learning_rate=3e-3,
    dropout=0.1,
    l2=1e-4,
    early_stopping_patience=5,
    rotation_degrees=10.0,
    zoom=0.1,
    horizontal_flip=True,
    shift=0.0,
    gain=0.0,
    contrast=0.0,
    class_weights=True,
    smote=True,
    seed=7,
    warm_start=WarmStartParams(
        head_epochs=2, epochs=1, trainable_layers=9, learning_rate_factor=0.5
    ),
)


def blobs(count: int, *, side: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(60, 100, (count, side, side, 1))
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(side // 8, side // 2, 2)
        image[row : row + side // 3, column : column + side // 3] += 75 * int(label)
    return images.clip(0, 255).astype(np.uint8), labels.astype(np.int64)


def small_data(train: int = 96, validation: int = 30, side: int = 32) -> TrainingData:
    return TrainingData(*blobs(train, side=side, seed=1), *blobs(validation, side=side, seed=2))
