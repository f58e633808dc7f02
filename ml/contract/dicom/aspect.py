"""Pixels that are not square are made square, so that shapes are true."""

import numpy as np
import pydicom
from PIL import Image

from ml.contract.errors import ImageTooLarge
from ml.contract.limits import DecodeLimits
from ml.contract.pixels import Pixels

# Row and column spacing in mm; the last is a ratio of the same order, where there is no spacing.
_SPACINGS = (
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "PixelAspectRatio",
)
_SQUARE_WITHIN = 0.01


def pixel_aspect(dataset: pydicom.Dataset) -> float:
    """Height of a pixel by its width; 1 where the header does not say (PS3.3, C.7.6.3.1.7)."""
    for keyword in _SPACINGS:
        try:
            height, width = map(float, dataset.get(keyword) or ())
        except (TypeError, ValueError):  # not two numbers: nothing is said
            continue
        if 0 < height < np.inf and 0 < width < np.inf:
            return height / width
    return 1.0


def square_pixels(pixels: Pixels, aspect: float, limits: DecodeLimits) -> Pixels:
    """Enlarge the side along which pixels are longer; nothing within 1 % of square.

    Raises:
        ImageTooLarge: with square pixels it has more of them than the limit.
    """
    if abs(aspect - 1) <= _SQUARE_WITHIN:
        return pixels
    height, width = pixels.shape[:2]
    taller, wider = max(aspect, 1), max(1 / aspect, 1)
    if height * taller * width * wider > limits.max_pixels:
        raise ImageTooLarge(
            f"With square pixels the image has more than the limit of {limits.max_pixels:,}.",
            remedy="Send a smaller image.",
        )
    size = (round(width * wider), round(height * taller))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
