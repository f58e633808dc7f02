import io

import numpy as np
import pytest
from pydicom import DataElement, dcmread

from ml.contract.decoding import decode
from tests.fakes.dicom_files import dicom_file, written


def shades(values: list[int], kind: type[np.integer] = np.int16, **elements: object) -> list[int]:
    return decode(dicom_file(np.array([values] * 2, kind), **elements)).pixels[0].tolist()


def test_padding_is_black_and_does_not_stretch_the_range() -> None:
    assert shades([-2000, 0, 50, 100], PixelPaddingValue=-2000) == [0, 0, 127, 255]
    assert shades([-2000, 0, 50, 100]) == [0, 243, 249, 255]


def test_padding_may_be_a_range_given_either_way_round() -> None:
    for value, limit in ((-2000, -1900), (-1900, -2000)):
        elements = {"PixelPaddingValue": value, "PixelPaddingRangeLimit": limit}
        assert shades([-2000, -1950, 0, 100], **elements) == [0, 0, 0, 255]


def test_padding_stays_black_where_white_is_low() -> None:
    elements = {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0}
    assert shades([0, 100, 200], np.uint16, **elements) == [0, 255, 0]


def test_a_negative_padding_written_as_an_unsigned_number_is_found() -> None:
    dataset = dcmread(io.BytesIO(dicom_file(np.array([[-2000, 0, 50, 100]] * 2, np.int16))))
    dataset.add(DataElement("PixelPaddingValue", "US", 2**16 - 2000))
    assert decode(written(dataset)).pixels[0].tolist() == [0, 0, 127, 255]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_nothing_but_padding_is_black(kind: type[np.integer]) -> None:
    assert shades([7, 7, 7], kind, PixelPaddingValue=7) == [0, 0, 0]
