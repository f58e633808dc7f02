"""What can be measured on an image without a model: the same numbers at ingest and at serving."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict

from ml.contract.decoding import Pixels

_MEASURED_SIDE = 256
_BLACK, _WHITE = 8, 247
_FRAME_LEVELS = 8  # a compressed frame is not of one level only
_CONTRAST = np.array([0.01, 0.99])
_GREYS = np.arange(256, dtype=np.float64)


class ImageStatistics(BaseModel):
    """Grey-level statistics, measured on at most 256 pixels a side so that scale matters little.

    `mean`, `std` and `contrast` (99th − 1st percentile) are grey levels 0…255; `entropy` is in
    bits 0…8; `sharpness` is the variance of the Laplacian; shares are 0…1; `colourfulness` is the
    mean absolute difference between colour channels in grey levels (0 for grey images).
    `border_share` is what a frame of even rows and columns takes of the image, 1 where there is
    nothing else; None in records from before it was measured.
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
    border_share: float | None = None

    @property
    def aspect(self) -> float:
        """The longer side in multiples of the shorter."""
        return max(self.width, self.height) / min(self.width, self.height)


STATISTIC_NAMES = ("mean", "std", "contrast", "entropy", "sharpness", "black_share", "white_share")
"""The statistics that drift reports compare."""


def overview_of(pixels: Pixels) -> Image.Image:
    """The image on at most 256 pixels a side, whose numbers hardly depend on its scale.

    Whole pixels are averaged, which takes less than half the time of exactly 256 pixels.

    Args:
        pixels: uint8, (height, width) or (height, width, 3).
    """
    return Image.fromarray(pixels).reduce(-(-max(pixels.shape[:2]) // _MEASURED_SIDE))


def measure(pixels: Pixels, overview: Image.Image | None = None) -> ImageStatistics:
    """Measure uint8 pixels of shape (height, width) or (height, width, 3).

    Args:
        overview: of `overview_of`, where it is there already.
    """
    height, width = pixels.shape[:2]
    image = overview_of(pixels) if overview is None else overview
    grey_image = image.convert("L")
    # All but the sharpness follow from how often each of the 256 levels occurs.
    counts = np.array(grey_image.histogram())
    shares = counts / counts.sum()
    seen = shares[shares > 0]
    mean = float(shares @ _GREYS)
    grey = np.asarray(grey_image)
    return ImageStatistics(
        width=width,
        height=height,
        mean=mean,
        std=float(np.sqrt(shares @ np.square(_GREYS - mean))),
        contrast=_contrast(counts),
        entropy=float(-(seen * np.log2(seen)).sum()),
        sharpness=_laplacian_variance(grey),
        black_share=float(shares[: _BLACK + 1].sum()),
        white_share=float(shares[_WHITE:].sum()),
        colourfulness=_colourfulness(image),
        border_share=_border_share(grey),
    )


def _contrast(counts: npt.NDArray[np.int64]) -> float:
    """Between percentiles that are linear between the two nearest ranks, as numpy's default."""
    up_to = np.cumsum(counts)
    places = _CONTRAST * (up_to[-1] - 1)
    ranks = np.floor(places)
    low = np.searchsorted(up_to, ranks, side="right")
    high = np.searchsorted(up_to, np.minimum(ranks + 1, up_to[-1] - 1), side="right")
    darkest, brightest = low + (high - low) * (places - ranks)
    return float(brightest - darkest)


def _laplacian_variance(grey: Pixels) -> float:
    if min(grey.shape) < 3:
        return 0.0
    levels = grey.astype(np.int16)
    laplacian = levels[:-2, 1:-1] + levels[2:, 1:-1]
    laplacian += levels[1:-1, :-2]
    laplacian += levels[1:-1, 2:]
    laplacian -= 4 * levels[1:-1, 1:-1]
    # Sums of whole numbers are exact, in any order. A product of vectors as long as these would
    # start the threads of BLAS, which then wait busily for the next one.
    total = int(laplacian.sum(dtype=np.int64))
    squares = int(np.square(laplacian, dtype=np.int32).sum(dtype=np.int64))
    return squares / laplacian.size - (total / laplacian.size) ** 2


def _colourfulness(image: Image.Image) -> float:
    if image.mode != "RGB":
        return 0.0
    levels = np.asarray(image).astype(np.int16)
    green = levels[..., 1]
    differences = np.abs(levels[..., 0] - green).sum() + np.abs(levels[..., 2] - green).sum()
    return float(differences) / (2 * green.size)


def _border_share(grey: Pixels) -> float:
    top, bottom = _without_frame(grey.min(axis=1), grey.max(axis=1))
    inner = grey[top:bottom]
    if not inner.size:
        return 1.0
    left, right = _without_frame(inner.min(axis=0), inner.max(axis=0))
    return 1 - len(inner) * (right - left) / grey.size


def _without_frame(low: Pixels, high: Pixels) -> tuple[int, int]:
    """From lines' lowest and highest levels: where the lines that are not all of one level, that of
    the outermost, begin and end."""
    lowest, highest = low.astype(np.int16), high.astype(np.int16)

    def frame(edge: int) -> npt.NDArray[np.bool_]:
        above, below = highest - lowest[edge], highest[edge] - lowest
        return np.maximum(above, below) <= _FRAME_LEVELS

    from_start, from_end = ~frame(0), ~frame(-1)[::-1]
    if not from_start.any():
        return 0, 0
    return int(from_start.argmax()), len(low) - int(from_end.argmax())
