"""A VOI lookup table: which shade each measured value gets (PS3.3, C.11.2)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels import apply_voi


@dataclass(frozen=True, slots=True)
class VoiLut:
    """`levels` are the shades of the measured values `first`, `first` + 1, … in a scale of its own.

    Values before and behind have the first and the last shade.
    """

    first: int
    levels: npt.NDArray[np.float64]

    @property
    def ends(self) -> tuple[float, float]:
        """The table's own black and white: its declared depth is often larger than its entries."""
        return float(self.levels.min()), float(self.levels.max())

    def shown(self, measured: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Levels of measured values, any shape."""
        places = np.clip(np.rint(measured) - self.first, 0, len(self.levels) - 1)
        return self.levels[places.astype(np.intp)]


def first_voi_lut(dataset: pydicom.Dataset) -> VoiLut | None:
    """The first of a file's alternative tables; None if it has none."""
    items = dataset.get("VOILUTSequence")
    if not items or not items[0].get("LUTDescriptor") or not items[0].get("LUTData"):
        return None
    item = items[0]
    entries, first, depth = item.LUTDescriptor
    if depth == 8:
        # pydicom would count the entries in 8 bits, too.
        item.LUTDescriptor = [entries, first, 16]
    # Its own values as input give the table itself, whatever it is stored as.
    every = np.arange(first, first + (entries or 2**16), dtype=np.int32)
    return VoiLut(int(first), apply_voi(every, dataset).astype(np.float64))
