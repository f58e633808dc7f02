"""A dataset's rows as arrays: what training, calibration, evaluation and replay read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ml.contract.bundle import InputSpec
from ml.data.storage import reaching
from ml.journey.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

Labels = npt.NDArray[np.int64]


def label_indices(frame: "pd.DataFrame", labels: Sequence[str]) -> Labels:
    """Each row's label as its position in `labels`, shape (n,)."""
    return frame["label"].map({label: i for i, label in enumerate(labels)}).to_numpy(np.int64)


def grids(workspace: Workspace, spec: InputSpec, frame: "pd.DataFrame") -> np.memmap:
    """Each row's image on the model grid, uint8 (n, height, width, channels), memory-mapped.

    Raises:
        Unavailable: the store's bucket does not answer.
    """
    from ml.data.image_store import ImageStore
    from ml.training.arrays import load_grids

    store = ImageStore(workspace.images)
    with reaching():
        return load_grids(
            list(frame["image_id"]), store.load, spec, workspace.grids, readers=store.readers
        )
