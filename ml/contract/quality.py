"""What can be measured on an image without a model: the same numbers at ingest and at serving."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict

from ml.contract.decoding import Pixels

_MEASURED_SIDE = 256
_BLACK, _WHITE = 8, 247
_GREYS = np.arange(256, dtype=np.float64)


class ImageStatistics(BaseModel):
    """Grey-level statistics, measured on at most 256 pixels a side so that scale matters little.

    `mean`, `std` and `contrast` (99th − 1st percentile) are grey levels 0…255; `entropy` is in
    bits 0…8; `sharpness` is the variance of the Laplacian; shares are 0…1; `colourfulness` is the
    mean absolute difference between colour channels in grey levels (0 for grey images).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    height: int
    mean: float
    std: float
    contrast: float
    entropy: float
    sharpness: float
    black_share: float
    white_share: float
    colourfulness: float


STATISTIC_NAMES = ("mean", "std", "contrast", "entropy", "sharpness", "black_share", "white_share")
"""The statistics that drift reports compare."""


def measure(pixels: Pixels) -> ImageStatistics:
    """Measure uint8 pixels of shape (height, width) or (height, width, 3)."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    # A gap of 1 averages whole pixels first, which takes a quarter of the time on large images.
    image.thumbnail((_MEASURED_SIDE, _MEASURED_SIDE), Image.Resampling.BILINEAR, reducing_gap=1.0)
    grey_image = image.convert("L")
    # All but the sharpness follow from how often each of the 256 levels occurs.
    counts = np.array(grey_image.histogram())
    shares = counts / counts.sum()
    seen = shares[shares > 0]
    mean = float(shares @ _GREYS)
    return ImageStatistics(
        width=width,
        height=height,
        mean=mean,
        std=float(np.sqrt(shares @ np.square(_GREYS - mean))),
        contrast=_percentile(counts, 0.99) - _percentile(counts, 0.01),
        entropy=float(-(seen * np.log2(seen)).sum()),
        sharpness=_laplacian_variance(np.asarray(grey_image)),
        black_share=float(shares[: _BLACK + 1].sum()),
        white_share=float(shares[_WHITE:].sum()),
        colourfulness=_colourfulness(image),
    )


def _percentile(counts: npt.NDArray[np.int64], share: float) -> float:
    """Linear between the two nearest ranks, as numpy's default."""
    up_to = np.cumsum(counts)
    place = share * (up_to[-1] - 1)
    rank = int(place)
    low, high = np.searchsorted(up_to, (rank, min(rank + 1, up_to[-1] - 1)), side="right")
    return float(low + (high - low) * (place - rank))


def _laplacian_variance(grey: Pixels) -> float:
    if min(grey.shape) < 3:
        return 0.0
    levels = grey.astype(np.int16)
    laplacian = levels[:-2, 1:-1] + levels[2:, 1:-1]
    laplacian += levels[1:-1, :-2]
    laplacian += levels[1:-1, 2:]
    laplacian -= 4 * levels[1:-1, 1:-1]
    # Sums of whole numbers are exact, in any order.
    total = int(laplacian.sum(dtype=np.int64))
    flat = laplacian.ravel().astype(np.float32)
    squares = float(flat @ flat)
    return squares / laplacian.size - (total / laplacian.size) ** 2


def _colourfulness(image: Image.Image) -> float:
    if image.mode != "RGB":
        return 0.0
    red, green, blue = np.moveaxis(np.asarray(image, dtype=np.float32), -1, 0)
    return float((np.abs(red - green) + np.abs(green - blue)).mean() / 2)
