"""Stored values that are no part of the picture (PS3.3, C.7.5.1.1.2)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

_PADDING = ("PixelPaddingValue", "FloatPixelPaddingValue", "DoubleFloatPixelPaddingValue")


@dataclass(frozen=True, slots=True)
class Padding:
    """Stored values from `low` to `high` fill what lies outside the picture."""

    low: float
    high: float

    def holds(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which stored values are padding, any shape."""
        return (stored >= self.low) & (stored <= self.high)


def padding_of(dataset: pydicom.Dataset) -> Padding | None:
    """The padding that a file declares; None if it declares none."""
    values = [dataset[keyword].value for keyword in _PADDING if dataset.get(keyword) is not None]
    if not values:
        return None
    value = values[0]
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    if dataset.get("PixelRepresentation") == 1 and low >= 2 ** (dataset.BitsAllocated - 1):
        # Some writers give a negative number as if it were an unsigned one.
        low, high = low - 2**dataset.BitsAllocated, high - 2**dataset.BitsAllocated
    return Padding(low, high)
