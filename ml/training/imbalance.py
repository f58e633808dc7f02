"""Rare classes: weights in the loss, and SMOTE on embeddings. Pixels are never interpolated."""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from imblearn.over_sampling import SMOTE

from ml.contract.errors import TrainingFailed

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_NEIGHBOURS = 5


def require_all_classes(labels: Labels, names: Sequence[str], split: str) -> None:
    """Refuse a split in which a class has no image.

    Raises:
        TrainingFailed: names the classes.
    """
    counts = np.bincount(labels, minlength=len(names))
    missing = [name for name, count in zip(names, counts, strict=True) if count == 0]
    if missing:
        raise TrainingFailed(
            f"The {split} split holds no image of {', '.join(missing)}.",
            remedy="Ingest images of that class and freeze a new dataset.",
        )


def class_weights(labels: Labels, classes: int) -> Floats:
    """Inverse class frequency, (classes,), scaled so that the mean weight of an image is 1."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * counts)).astype(np.float32)


def balance_embeddings(
    embeddings: Floats, labels: Labels, names: Sequence[str], *, seed: int
) -> tuple[Floats, Labels]:
    """Bring every class to the size of the largest by SMOTE (Chawla et al. 2002).

    Args:
        embeddings: (n, k), of the training split only: synthetic rows mix their neighbours.

    Returns:
        Embeddings and labels; the given rows first, the synthetic ones after them.

    Raises:
        TrainingFailed: a class has a single image, so there is nothing to interpolate.
    """
    counts = np.bincount(labels, minlength=len(names))
    smallest = int(counts.min())
    if smallest < 2:
        name = names[int(counts.argmin())]
        raise TrainingFailed(
            f"SMOTE needs at least 2 training images of {name}, there is {smallest}.",
            remedy="Ingest more of them, or switch training.smote off.",
        )
    neighbours = min(_NEIGHBOURS, smallest - 1)
    if neighbours < _NEIGHBOURS:
        logger.warning(
            "SMOTE uses %d neighbours instead of %d: the rarest class has %d training images.",
            neighbours,
            _NEIGHBOURS,
            smallest,
        )
    sampler = SMOTE(k_neighbors=neighbours, random_state=seed)
    balanced, balanced_labels = sampler.fit_resample(embeddings, labels)
    return balanced.astype(np.float32), balanced_labels.astype(np.int64)
