import numpy as np
import pytest
from pydicom import Dataset

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.dicom.aspect import pixel_aspect, square_pixels
from ml.contract.errors import ImageTooLarge
from tests.fakes.dicom_files import dicom_file
from tests.unit.contract.dicom.pictures import COLOUR, GREY


def aspect(**elements: object) -> float:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return pixel_aspect(dataset)


def test_spacing_is_rows_then_columns() -> None:
    assert aspect(PixelSpacing=[2, 1]) == 2
    assert aspect(ImagerPixelSpacing=[0.1, 0.2]) == 0.5
    assert aspect(PixelAspectRatio=[3, 4]) == 0.75


def test_the_spacing_in_the_patient_goes_before_that_on_the_detector() -> None:
    assert aspect(ImagerPixelSpacing=[1, 1], PixelSpacing=[2, 1]) == 2


@pytest.mark.parametrize("value", [None, [], [1], [0, 0], [1, -1], [1, 2, 3]])
def test_what_is_no_spacing_says_nothing(value: object) -> None:
    assert aspect(PixelSpacing=value) == 1
    assert aspect(PixelSpacing=value, ImagerPixelSpacing=[1, 2]) == 0.5


@pytest.mark.parametrize("picture", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_circle_becomes_round_again(picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    tall = decode(dicom_file(picture, PixelSpacing=[2, 1])).pixels
    wide = decode(dicom_file(picture, PixelSpacing=[1, 1.5])).pixels
    assert tall.shape[:2] == (2 * height, width)
    assert wide.shape[:2] == (height, round(1.5 * width))
    assert np.abs(tall[::2].astype(int) - picture).max() <= 12


def test_almost_square_pixels_stay_as_they_are() -> None:
    assert np.array_equal(decode(dicom_file(GREY, PixelSpacing=[0.99, 0.985])).pixels, GREY)


def test_limits_hold_for_square_pixels() -> None:
    limits = DecodeLimits(max_pixels=2 * GREY.size)
    assert decode(dicom_file(GREY, PixelSpacing=[2, 1]), limits).pixels.size == 2 * GREY.size
    with pytest.raises(ImageTooLarge, match="square"):
        decode(dicom_file(GREY, PixelSpacing=[2.1, 1]), limits)
    with pytest.raises(ImageTooLarge, match="square"):
        square_pixels(GREY, 1e300, limits)
