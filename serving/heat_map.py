"""The activation map of a label, coloured and laid over the size of the image."""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

_LONGEST_SIDE = 512
# Anchors of the "inferno" colour map (Smith & van der Walt, 2015): dark to bright in even steps
# of perceived lightness, readable without colour vision.
_ANCHORS = np.array(
    [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21],
     [250, 193, 39], [252, 255, 164]],
    dtype=np.float64,
)  # fmt: skip


def _colours() -> npt.NDArray[np.uint8]:
    steps = np.linspace(0, len(_ANCHORS) - 1, 256)
    channels = [np.interp(steps, np.arange(len(_ANCHORS)), column) for column in _ANCHORS.T]
    return np.stack(channels, axis=1).round().astype(np.uint8)


_COLOURS = _colours()


def heat_map_uri(activation: npt.NDArray[np.float32], width: int, height: int) -> str:
    """A PNG data URI in the image's aspect ratio, at most 512 pixels a side.

    Args:
        activation: (rows, columns), any scale; it is stretched to its own range, and a map without
            any range becomes uniformly dark.
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
    smooth.putpalette(_COLOURS.tobytes())
    file = io.BytesIO()
    smooth.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
