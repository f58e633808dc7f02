"""Stored values → shades: modality LUT, then VOI LUT or window, then polarity (PS3.3, C.11).

A shade depends on a pixel's value alone. So for up to 16 bits each value that may occur is
calculated once and then looked up, which is faster and needs less memory than a calculation per
pixel; deeper values are taken in strips.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels import apply_modality_lut, apply_windowing

from ml.contract.dicom.frame import Values
from ml.contract.dicom.layout import PixelLayout
from ml.contract.dicom.padding import padding_of
from ml.contract.dicom.voi_lut import first_voi_lut
from ml.contract.pixels import Pixels, scale

_STRIP_PIXELS = 2**18
_BEYOND_ANY_VALUE = 1e12
_MAY_BE_EMPTY = ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth")


class Greyscale:
    """How an image shows its stored values. Black is 0 in any polarity, and so is padding.

    The first VOI LUT or window says what is black and white. Without one, up to 8 bits stay as
    they are, and more are stretched to the range that occurs, in which padding does not count.
    """

    def __init__(self, dataset: pydicom.Dataset, layout: PixelLayout) -> None:
        _tidy(dataset)
        self._dataset = dataset
        self._padding = padding_of(dataset)
        self._lut = first_voi_lut(dataset)
        self._is_windowed = (
            self._lut is None and "WindowCenter" in dataset and "WindowWidth" in dataset
        )
        # For MONOCHROME1 both say the same (PS3.3, C.7.6.1): it is turned round once.
        self._is_inverse = (
            layout.photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
        )
        is_plain = (
            layout.bits_allocated <= 8
            and not self._is_windowed
            and self._lut is None
            and _is_measured_as_stored(dataset)
        )
        self._ends = (0, 2**layout.bits_stored - 1) if is_plain else self._declared_ends()
        self._is_shown_as_stored = (
            is_plain and layout.bits_stored == 8 and self._padding is None and not self._is_inverse
        )

    def shades(self, values: Values) -> Pixels:
        """Shades of one frame, uint8 of the shape of `values`.

        Raises:
            ValueError: the values cannot be scaled, or the window has no width.
        """
        if values.dtype.kind == "f" or values.dtype.itemsize > 2:
            return self._by_strips(values)
        if values.dtype == np.uint8 and self._is_shown_as_stored:
            return np.asarray(values, np.uint8)
        lowest = int(values.min())
        places = np.subtract(values, lowest, dtype=np.int32)
        possible = np.arange(lowest, lowest + int(places.max()) + 1, dtype=np.int32)
        ends = self._ends or self._range([possible[_occurring(places)]])
        return self._shades(possible, ends)[places]

    def _by_strips(self, values: Values) -> Pixels:
        rows = max(1, _STRIP_PIXELS // values.shape[1])
        strips = [slice(start, start + rows) for start in range(0, len(values), rows)]
        ends = self._ends or self._range(values[strip] for strip in strips)
        shades = np.empty(values.shape, np.uint8)
        for strip in strips:
            shades[strip] = self._shades(values[strip], ends)
        return shades

    def _shades(self, stored: Values, ends: tuple[float, float]) -> Pixels:
        low, high = sorted(ends)
        # Padding, and values that might occur but do not, may lie outside.
        shades = scale(np.clip(self._shown(stored), low, high), low, high)
        if ends[0] > ends[1]:  # a negative slope makes what is black the larger value
            shades = 255 - shades
        if self._is_inverse:
            shades = 255 - shades
        if self._padding is not None:
            shades[self._padding.holds(stored)] = 0
        return shades

    def _shown(self, stored: Values) -> npt.NDArray[np.float64]:
        measured = apply_modality_lut(stored, self._dataset)
        if not np.isfinite(measured).all():
            raise ValueError("pixel values are not finite")
        if self._lut is not None:
            return self._lut.shown(measured)
        if self._is_windowed:
            return self._windowed(measured)
        return np.asarray(measured, np.float64)

    def _declared_ends(self) -> tuple[float, float] | None:
        """The shown values that are black and white, where the header says them."""
        if self._lut is not None:
            return self._lut.ends
        if self._is_windowed:
            beyond = np.array([-_BEYOND_ANY_VALUE, _BEYOND_ANY_VALUE])
            black, white = self._windowed(beyond)
            return float(black), float(white)
        return None

    def _windowed(self, measured: Values) -> npt.NDArray[np.float64]:
        with np.errstate(over="ignore"):  # far outside a sigmoid
            return apply_windowing(measured, self._dataset)

    def _range(self, parts: Iterable[Values]) -> tuple[float, float]:
        """The range of shown values that occurs; none where all is padding."""
        low, high = np.inf, -np.inf
        for part in parts:
            seen = part if self._padding is None else part[~self._padding.holds(part)]
            if seen.size:
                shown = self._shown(seen)
                low, high = min(low, shown.min()), max(high, shown.max())
        return (float(low), float(high)) if low <= high else (0, 0)


def _occurring(places: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    occurs = np.zeros(int(places.max()) + 1, np.bool_)
    occurs[places] = True
    return occurs


def _is_measured_as_stored(dataset: pydicom.Dataset) -> bool:
    rescaling = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return (
        dataset.PixelRepresentation == 0
        and not dataset.get("ModalityLUTSequence")
        and rescaling == (1, 0)
    )


def _tidy(dataset: pydicom.Dataset) -> None:
    """Make the header what pydicom's transforms expect."""
    for keyword in _MAY_BE_EMPTY:
        if keyword in dataset and dataset[keyword].is_empty:
            del dataset[keyword]
    if "PixelRepresentation" not in dataset:  # of floating-point values
        dataset.PixelRepresentation = 0
        dataset.BitsStored = dataset.BitsAllocated
