"""What can be measured on an image without a model: the same numbers at ingest and at serving."""

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from ml.contract.decoding import Pixels

_MEASURED_SIDE = 256
_BLACK, _WHITE = 8, 247


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
    image.thumbnail((_MEASURED_SIDE, _MEASURED_SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    histogram = np.bincount(grey.astype(np.uint8).ravel(), minlength=256)
    shares = histogram / grey.size
    seen = shares[shares > 0]
    low, high = np.percentile(grey, (1, 99))
    return ImageStatistics(
        width=width,
        height=height,
        mean=float(grey.mean()),
        std=float(grey.std()),
        contrast=float(high - low),
        entropy=float(-(seen * np.log2(seen)).sum()),
        sharpness=_laplacian_variance(grey),
        black_share=float(shares[: _BLACK + 1].sum()),
        white_share=float(shares[_WHITE:].sum()),
        colourfulness=_colourfulness(image),
    )


def _laplacian_variance(grey: np.ndarray) -> float:
    if min(grey.shape) < 3:
        return 0.0
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    return float(laplacian.var())


def _colourfulness(image: Image.Image) -> float:
    if image.mode != "RGB":
        return 0.0
    red, green, blue = np.moveaxis(np.asarray(image, dtype=np.float32), -1, 0)
    return float((np.abs(red - green) + np.abs(green - blue)).mean() / 2)
