"""The arrays one training works on."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.contract.decoding import Pixels

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Grid images uint8 (n, height, width, channels) and label positions int64 (n,), per split."""

    train_images: Pixels
    train_labels: Labels
    validation_images: Pixels
    validation_labels: Labels

    @property
    def sha256(self) -> str:
        """Digest of all four arrays."""
        digest = hashlib.sha256()
        for name in self.__dataclass_fields__:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.shape} {array.dtype}".encode())
            digest.update(array.data)
        return digest.hexdigest()
