"""The folder of one trained member, as far as it is read without TensorFlow.

weights.weights.h5  all weights
validation.npz      logits and features of the validation split
history.json        one record per epoch
tensorboard/        the same as curves
member.json         what it is and how it was trained

The folder appears whole. While a member is trained it holds `checkpoint.npz` alone.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ml.contract.errors import NotFound
from ml.training.results import MemberResult

WEIGHTS_FILE = "weights.weights.h5"
VALIDATION_FILE = "validation.npz"
HISTORY_FILE = "history.json"
CURVES_FOLDER = "tensorboard"
MEMBER_FILE = "member.json"


@dataclass(frozen=True, slots=True)
class MemberOutputs:
    """`logits` (n, classes) and `features` (n, k), float32."""

    logits: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]


def read_member(folder: Path) -> MemberResult:
    """Read `member.json`.

    Raises:
        NotFound: the member has not been trained to its end, or by other code.
    """
    try:
        return MemberResult.model_validate_json((folder / MEMBER_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise NotFound(
            f"{folder.name} holds no finished member.", remedy="Train it first."
        ) from error


def is_finished(folder: Path, fingerprint: str) -> bool:
    """Whether the folder holds a finished member of exactly this data and these parameters."""
    try:
        return read_member(folder).fingerprint == fingerprint
    except NotFound:
        return False


def read_validation(folder: Path) -> MemberOutputs:
    """Read a finished member's outputs on the validation split.

    Raises:
        NotFound: they are missing.
    """
    path = folder / VALIDATION_FILE
    if not path.is_file():
        raise NotFound(f"{folder.name} holds no {VALIDATION_FILE}.", remedy="Train it first.")
    with np.load(path, allow_pickle=False) as arrays:
        return MemberOutputs(arrays["logits"], arrays["features"])
