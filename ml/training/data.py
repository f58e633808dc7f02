"""The arrays one training works on."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.contract.decoding import Pixels
from ml.training.row_cache import forget_pages

Labels = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int64]

_BLOCK = 256


class ImageRows:
    """Some rows of an array of images, read when asked for: a split without a copy of it."""

    def __init__(self, images: Pixels, positions: Positions) -> None:
        self._images = images
        self._positions = positions
        self.shape = (len(positions), *images.shape[1:])

    def __len__(self) -> int:
        """How many images there are."""
        return len(self._positions)

    def __getitem__(self, rows: slice | Positions) -> Pixels:
        """A copy of these images."""
        images = self._images[self._positions[rows]]
        forget_pages(self._images)
        return images


Images = Pixels | ImageRows


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Grid images uint8 (n, height, width, channels) and label positions int64 (n,), per split."""

    train_images: Images
    train_labels: Labels
    validation_images: Images
    validation_labels: Labels

    @classmethod
    def of_split(cls, images: Pixels, labels: Labels, split: npt.NDArray) -> "TrainingData":
        """The rows that `split`, (n,), calls `train` and `validation`, without copying images."""
        train, validation = (
            np.flatnonzero(np.asarray(split) == name) for name in ("train", "validation")
        )
        return cls(
            train_images=ImageRows(images, train),
            train_labels=labels[train],
            validation_images=ImageRows(images, validation),
            validation_labels=labels[validation],
        )

    @property
    def sha256(self) -> str:
        """Digest of all four arrays."""
        digest = hashlib.sha256()
        for images, labels in (
            (self.train_images, self.train_labels),
            (self.validation_images, self.validation_labels),
        ):
            digest.update(f"{images.shape} {labels.tolist()}".encode())
            for block in blocks(images):
                digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()


def blocks(images: Images, size: int = _BLOCK) -> Iterator[Pixels]:
    """All images in order, a few at a time."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
