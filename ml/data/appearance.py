"""What an image looks like, in 88 bytes: a perceptual hash and a descriptor for finding twins.

Perceptual hash: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
2010 (DCT variant). The descriptor keeps the same transform's coefficients instead of their signs.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.contract.decoding import Pixels
from ml.contract.quality import overview_of

Descriptors = npt.NDArray[np.int8]

_GRID, _KEPT = 32, 9
DESCRIPTOR_BYTES = _KEPT * _KEPT - 1


def _cosine_rows() -> npt.NDArray[np.float64]:
    """Rows 0…8 of the orthogonal DCT-II matrix of size 32, but for a common factor."""
    frequency = np.arange(_KEPT)[:, np.newaxis]
    position = np.arange(_GRID)[np.newaxis, :]
    rows: npt.NDArray[np.float64] = np.cos(math.pi * frequency * (2 * position + 1) / (2 * _GRID))
    rows[0] /= math.sqrt(2)
    return rows


_COSINES = _cosine_rows()
# Natural images have amplitudes of about 1 / frequency: without weights all would look alike.
_WEIGHTS = np.hypot(*np.indices((_KEPT, _KEPT)))
_MIDDLE = slice((_KEPT - 1) ** 2 // 2 - 1, (_KEPT - 1) ** 2 // 2 + 1)
_CROP = 0.05
_MIRROR = np.tile((-1) ** np.arange(_KEPT), _KEPT)[1:].astype(np.int8)


@dataclass(frozen=True, slots=True)
class Appearance:
    """`phash` has 64 bits; `descriptor` is `DESCRIPTOR_BYTES` of int8."""

    phash: int
    descriptor: bytes


def appearance(pixels: Pixels, overview: Image.Image | None = None) -> Appearance:
    """Describe the 32×32 grey image by its low frequencies.

    The hash's bits say which of 8×8 frequencies lie above their median. The descriptor is all
    frequencies up to 8 but the constant one, times their frequency, scaled to −127…127: brightness
    and contrast do not change it, and mirroring the image flips signs in it.

    Args:
        pixels: uint8, (height, width) or (height, width, 3).
        overview: of `overview_of`, where it is there already.
    """
    image = overview_of(pixels) if overview is None else overview
    image = image if image.mode == "L" else image.convert("L")
    grey = np.asarray(image.resize((_GRID, _GRID), Image.Resampling.BILINEAR), dtype=np.float64)
    spectrum = _COSINES @ grey @ _COSINES.T
    # The constant term says nothing about shape.
    hashed = spectrum[1:, 1:].ravel()
    # np.median checks so much that it takes ten times as long.
    bits = hashed > np.sort(hashed)[_MIDDLE].mean()
    weighted = (spectrum * _WEIGHTS).ravel()[1:]
    largest = np.abs(weighted).max()
    # One grey level's rounding in a flat image is no shape.
    scale = 127 / largest if largest > 1 else 0.0
    return Appearance(
        phash=int.from_bytes(np.packbits(bits).tobytes(), "big"),
        descriptor=np.rint(weighted * scale).astype(np.int8).tobytes(),
    )


def mirrored(descriptors: Descriptors) -> Descriptors:
    """Descriptors (n, `DESCRIPTOR_BYTES`) of the same images, left and right exchanged."""
    return descriptors * _MIRROR


def cropped(descriptors: Descriptors) -> npt.NDArray[np.float32]:
    """About the descriptors (n, `DESCRIPTOR_BYTES`) of the same images without a margin of 5 %.

    A crop stretches each of the waves that an image is the sum of. What waves above the kept
    frequencies would add is not known. Scale is arbitrary.
    """
    return descriptors.astype(np.float32) @ _CROPPING


def _cropping() -> npt.NDArray[np.float32]:
    """What a crop makes of the weighted frequencies but the constant one; from row to column."""
    frequency = np.arange(_KEPT)[:, np.newaxis]
    position = (np.arange(1024) + 0.5) / 1024
    whole = np.cos(math.pi * frequency * position)
    inside = np.cos(math.pi * frequency * (_CROP + (1 - 2 * _CROP) * position))
    for waves in (whole, inside):
        waves[0] /= math.sqrt(2)
    stretched = 2 / len(position) * inside @ whole.T
    weights = _WEIGHTS.ravel()[1:]
    along_both = np.kron(stretched, stretched)[1:, 1:]
    cropping = along_both / weights[:, np.newaxis] * weights
    return np.asarray(cropping, np.float32)


_CROPPING = _cropping()
