import numpy as np
import pytest
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from ml.contract.decoding import decode
from tests.fakes.dicom_files import dicom_file
from tests.unit.contract.dicom.pictures import COLOUR, GRADIENT

# Of JPEG streams the encoder here declares RGB.
_SYNTAXES = (
    ExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
)


def test_colour_has_the_pixels_of_the_same_picture_as_png() -> None:
    assert np.array_equal(decode(dicom_file(COLOUR)).pixels, COLOUR)


def test_equal_colour_channels_are_grey() -> None:
    assert np.array_equal(decode(dicom_file(np.stack([GRADIENT] * 3, axis=-1))).pixels, GRADIENT)


def test_colours_may_be_stored_plane_by_plane() -> None:
    planes = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 0)).tobytes()
    file = dicom_file(COLOUR, PlanarConfiguration=1, PixelData=planes)
    assert np.array_equal(decode(file).pixels, COLOUR)


@pytest.mark.parametrize("syntax", _SYNTAXES, ids=lambda uid: uid.keyword)
def test_luminance_and_chrominance_become_colours(syntax: UID) -> None:
    stored = convert_color_space(COLOUR, "RGB", "YBR_FULL")
    file = dicom_file(stored, syntax=syntax, PhotometricInterpretation="YBR_FULL")
    assert np.abs(decode(file).pixels - COLOUR.astype(int)).max() <= 2


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_deep_colours_keep_their_upper_bits(kind: type[np.unsignedinteger]) -> None:
    shift = 8 * np.dtype(kind).itemsize - 8
    assert np.array_equal(decode(dicom_file(COLOUR.astype(kind) << shift)).pixels, COLOUR)


def coloured(indices: np.ndarray, *tables: np.ndarray) -> np.ndarray:
    elements: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [len(table), 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = table.astype("<u2").tobytes()
    return decode(dicom_file(indices, **elements)).pixels


def test_palette_colours_are_looked_up() -> None:
    levels = np.arange(8, dtype=np.uint16) << 13
    indices = np.array([[0, 3, 7], [9, 1, 2]], np.uint8)
    pixels = coloured(indices, levels, levels[::-1], levels)
    assert pixels[0].tolist() == [[0, 224, 0], [96, 128, 96], [224, 0, 224]]
    assert pixels[1, 0].tolist() == [224, 0, 224]  # behind the table


def test_a_palette_of_eight_bit_colours_in_sixteen_bits_is_not_black() -> None:
    levels = np.arange(0, 256, 32, dtype=np.uint16)
    pixels = coloured(np.array([[0, 7]] * 2, np.uint8), levels, levels, 255 - levels)
    assert pixels[0].tolist() == [[0, 0, 255], [224, 224, 31]]


def test_a_palette_of_greys_gives_a_grey_picture() -> None:
    levels = np.arange(16, dtype=np.uint16) << 12
    indices = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert np.array_equal(coloured(indices, levels, levels, levels), indices * 16)
