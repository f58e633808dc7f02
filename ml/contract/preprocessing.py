"""Pixels → model input. Ingest, training, calibration, evaluation and serving all use this file.

Changing what it computes, or what `decode` makes of a file that it read before, means raising
`PREPROCESSING_VERSION`: a bundle is refused by code of another version, since its answers would
silently differ.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.contract.bundle import InputSpec
from ml.contract.decoding import Pixels

PREPROCESSING_VERSION = 2


def to_grid(pixels: Pixels, spec: InputSpec) -> Pixels:
    """Resize to the model's grid, still 8-bit.

    Args:
        pixels: uint8, (height, width) or (height, width, 3).
        spec: the model's input.

    Returns:
        uint8, (spec.height, spec.width, spec.channels). Bilinear with antialiasing; the aspect
        ratio is not kept. Colour becomes luma (ITU-R 601) where the model takes one channel.
    """
    image = Image.fromarray(pixels).convert("L" if spec.channels == 1 else "RGB")
    if image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(image).reshape(spec.height, spec.width, spec.channels)


def to_input(grid: Pixels) -> npt.NDArray[np.float32]:
    """Scale uint8 values 0…255 to float32 −1…1, any shape."""
    return np.asarray(grid, dtype=np.float32) * np.float32(2 / 255) - np.float32(1)
