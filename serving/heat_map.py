"""The activation map of a label as a coloured, half-transparent picture to lay over the image."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from serving.data_uri import data_uri

# A map has some tens of positions, so more pixels would cost time and show nothing more.
_LONGEST_SIDE = 64
# Anchors of the "inferno" colour map (Smith & van der Walt, 2015): dark to bright in even steps
# of perceived lightness, readable without colour vision. Its pale end is left out: over bright
# tissue it could not be seen.
_ANCHORS = np.array(
    [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21],
     [250, 193, 39]],
    dtype=np.float64,
)  # fmt: skip
_STEPS = np.linspace(0, len(_ANCHORS) - 1, 256)
_PALETTE = (
    np.stack([np.interp(_STEPS, range(len(_ANCHORS)), column) for column in _ANCHORS.T], axis=1)
    .round()
    .astype(np.uint8)
    .tobytes()
)
# What spoke least leaves the image as it is.
_OPACITIES = bytes(range(256))


def heat_map_uri(activation: npt.NDArray[np.float32], width: int, height: int) -> str:
    """A PNG data URI in the image's aspect ratio, at most 64 pixels a side.

    The map is meant to be stretched over the image; it grows more opaque with the activation.

    Args:
        activation: (rows, columns), any scale; it is stretched to its own range, and a map without
            any range becomes wholly transparent.
        width: of the image, in pixels.
        height: of the image, in pixels.
    """
    low, high = float(activation.min()), float(activation.max())
    scaled = np.zeros_like(activation) if high <= low else (activation - low) / (high - low)
    shrink = min(1.0, _LONGEST_SIDE / max(width, height))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    smooth = Image.fromarray(np.round(scaled * 255).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    smooth.putpalette(_PALETTE)
    return data_uri(smooth, "PNG", transparency=_OPACITIES)
