"""8-bit pixels: what every image becomes, whatever file it came in."""

import hashlib

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""uint8, (height, width) for grey or (height, width, 3) for RGB."""


def image_id(pixels: Pixels) -> str:
    """An image's name in store, datasets and records: sha256 of its shape and pixels, hex."""
    digest = hashlib.sha256("×".join(map(str, pixels.shape)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def collapse_if_grey(pixels: Pixels) -> Pixels:
    """RGB whose three channels are equal is grey: one rule for a picture saved either way."""
    first = pixels[..., 0]
    same = np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])
    return np.ascontiguousarray(first) if same else pixels


def scale(values: npt.NDArray[np.float64], low: float, high: float) -> Pixels:
    """Levels 0…255 of values within `low`…`high`, any shape; black where there is no range.

    Raises:
        ValueError: the range cannot be scaled, or is not finite.
    """
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    factor = 255.0 / (high - low)
    if not np.isfinite(high - low) or not np.isfinite(factor):
        raise ValueError("the range of values cannot be scaled")
    return np.round((values - low) * factor).astype(np.uint8)


def stretch(values: npt.NDArray[np.float64]) -> Pixels:
    """Levels 0…255 of the range of values that occurs, any shape.

    Raises:
        ValueError: a value is not finite.
    """
    if not np.all(np.isfinite(values)):
        raise ValueError("pixel values are not finite")
    return scale(values, float(values.min()), float(values.max()))
