"""One frame of a DICOM file → pixels, as a viewer would show it at first."""

from typing import Literal

import pydicom

from ml.contract.dicom.aspect import pixel_aspect, square_pixels
from ml.contract.dicom.colour import to_colour
from ml.contract.dicom.file import read_image_object
from ml.contract.dicom.frame import read_frame
from ml.contract.dicom.functional_groups import apply_functional_groups
from ml.contract.dicom.grey import Greyscale
from ml.contract.dicom.layout import PixelLayout, read_layout
from ml.contract.errors import InputError, UnreadableImage
from ml.contract.limits import DecodeLimits, check_pixel_count, choose_frame
from ml.contract.pixels import Pixels
from ml.contract.quiet_dicom import quiet_dicom

DicomType = Literal["application/dicom"]


def decode_dicom(data: bytes, limits: DecodeLimits) -> tuple[Pixels, DicomType, int]:
    """Pixels, type and bits stored of a DICOM file; errors as `decode`'s."""
    return decode_object(read_image_object(data, limits.max_bytes), limits)


def decode_object(dataset: pydicom.Dataset, limits: DecodeLimits) -> tuple[Pixels, DicomType, int]:
    """As `decode_dicom`, of elements that were read before; they are not the same afterwards."""
    with quiet_dicom():
        layout = read_layout(dataset)
        check_pixel_count(layout.columns, layout.rows, limits)
        index = choose_frame(layout.frames, limits.frames)
        try:
            pixels, aspect = _shown(dataset, layout, index)
        except InputError:
            raise
        except Exception as error:  # decoders behind pydicom raise many types
            raise UnreadableImage(
                f"The DICOM image cannot be decoded ({type(error).__name__}).",
                remedy="Export it again, uncompressed (explicit VR little endian).",
            ) from error
    return square_pixels(pixels, aspect, limits), "application/dicom", layout.bits_stored


def _shown(dataset: pydicom.Dataset, layout: PixelLayout, index: int) -> tuple[Pixels, float]:
    """One frame as it is stored on its grid, and how much taller than wide its pixels are."""
    apply_functional_groups(dataset, index)
    aspect = pixel_aspect(dataset)
    values = read_frame(dataset, layout, index)
    if layout.is_grey:
        return Greyscale(dataset, layout).shades(values), aspect
    return to_colour(values, dataset, layout), aspect
