"""Stored colours and palette indices → 8-bit RGB, or grey where all channels are equal."""

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut

from ml.contract.dicom.frame import Values
from ml.contract.dicom.layout import PixelLayout
from ml.contract.pixels import Pixels, collapse_if_grey


def to_colour(values: Values, dataset: pydicom.Dataset, layout: PixelLayout) -> Pixels:
    """Colours of one frame, uint8, from its upper 8 bits.

    Args:
        values: RGB (rows, columns, 3), or palette indices (rows, columns).
    """
    if layout.photometric == "PALETTE COLOR":
        return _look_up(values, dataset)
    upper = values >> layout.bits_stored - 8 if layout.bits_stored > 8 else values
    return collapse_if_grey(np.ascontiguousarray(upper, np.uint8))


def _look_up(values: Values, dataset: pydicom.Dataset) -> Pixels:
    lowest = int(values.min())
    possible = np.arange(lowest, int(values.max()) + 1, dtype=values.dtype)
    # The fourth column would be transparency.
    palette = apply_color_lut(possible, dataset)[:, :3]
    # Some tables hold 8-bit colours in 16-bit entries.
    if palette.max() > 255:
        palette = palette >> 8
    palette = collapse_if_grey(palette.astype(np.uint8)[np.newaxis])[0]
    return palette[np.subtract(values, lowest, dtype=np.int32)]
