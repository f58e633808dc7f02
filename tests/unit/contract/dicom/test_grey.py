"""Shades follow from stored values by the header: rescaling, windows, tables, polarity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydicom import Dataset

from ml.contract.decoding import decode
from ml.contract.errors import UnreadableImage
from tests.fakes.dicom_files import dicom_file
from tests.unit.contract.dicom.pictures import DEEP, GRADIENT

_SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))
_DEPTHS = {np.uint8: 8, np.uint16: 12, np.int16: 12, np.uint32: 32}
_WINDOWS = {"WindowCenter": 100, "WindowWidth": 90}


@st.composite
def stored(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    kind = draw(st.sampled_from(list(_DEPTHS)))
    bits = _DEPTHS[kind]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if kind == np.int16 else (0, 2**bits)
    elements = st.integers(low, high - 1)
    return draw(arrays.arrays(kind, draw(_SHAPES), elements=elements)), bits


def shades(pixels: np.ndarray, bits: int = 0, **elements: object) -> np.ndarray:
    return decode(dicom_file(pixels, bits=bits, **elements)).pixels


def test_eight_bits_have_the_pixels_of_the_same_picture_as_png() -> None:
    assert np.array_equal(shades(GRADIENT), GRADIENT)


def test_fewer_than_eight_bits_take_their_whole_range() -> None:
    assert shades(np.array([[0, 31, 63]], np.uint8), bits=6).tolist() == [[0, 125, 255]]


def test_a_rescaling_that_changes_nothing_changes_nothing() -> None:
    assert np.array_equal(shades(GRADIENT, RescaleSlope=1, RescaleIntercept=0), GRADIENT)


@pytest.mark.parametrize("elements", [{}, _WINDOWS], ids=["plain", "windowed"])
@given(picture=stored())
@settings(deadline=None)
def test_inverted_grey_is_the_negative(
    picture: tuple[np.ndarray, int], elements: dict[str, object]
) -> None:
    plain = shades(*picture, **elements)
    inverted = shades(*picture, PhotometricInterpretation="MONOCHROME1", **elements)
    assert np.array_equal(inverted, 255 - plain)


@given(picture=stored(), photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]))
@settings(deadline=None, max_examples=40)
def test_an_inverse_presentation_is_the_negative_too_but_not_twice(
    picture: tuple[np.ndarray, int], photometric: str
) -> None:
    inverse = shades(
        *picture, PhotometricInterpretation=photometric, PresentationLUTShape="INVERSE"
    )
    assert np.array_equal(inverse, 255 - shades(*picture))


@given(
    picture=stored(),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    centre=st.integers(-3000, 3000),
    width=st.integers(2, 4000),
)
@settings(deadline=None)
def test_a_window_keeps_the_order_of_values(
    picture: tuple[np.ndarray, int], function: str, centre: int, width: int
) -> None:
    pixels, bits = picture
    shown = shades(
        pixels, bits, WindowCenter=centre, WindowWidth=width, VOILUTFunction=function
    ).astype(int)
    order = np.argsort(pixels, axis=None, kind="stable")
    assert (np.diff(shown.ravel()[order]) >= 0).all()
    if function == "LINEAR_EXACT":
        assert (shown[pixels <= centre - width / 2] == 0).all()
        assert (shown[pixels > centre + width / 2] == 255).all()


def test_a_window_says_what_is_black_and_white() -> None:
    values = np.array([[0, 1000, 1500, 2000, 4095]] * 2, dtype=np.uint16)
    assert shades(values, 12, WindowCenter=1500.5, WindowWidth=1001)[0].tolist() == [
        *(0, 0, 128, 255, 255)
    ]


def test_a_sigmoid_bends_where_a_line_is_cut() -> None:
    values = np.array([[0, 500, 1000, 1500, 2000]], dtype=np.uint16)
    window = {"WindowCenter": 1000, "WindowWidth": 1000}
    curve = shades(values, 12, VOILUTFunction="SIGMOID", **window)[0]
    expected = 255 / (1 + np.exp(-4 * (values[0] - 1000.0) / 1000))
    assert np.abs(curve - expected).max() <= 1
    assert shades(values, 12, **window)[0].tolist() == [0, 0, 128, 255, 255]


def test_of_several_windows_the_first_is_taken() -> None:
    first = shades(DEEP, 12, WindowCenter=2000, WindowWidth=500)
    several = shades(DEEP, 12, WindowCenter=[2000, 100], WindowWidth=[500, 50])
    assert np.array_equal(several, first)


def test_a_picture_narrower_than_its_window_stays_flat() -> None:
    values = np.array([[1500, 1510]] * 2, dtype=np.uint16)
    assert np.ptp(shades(values, 12, WindowCenter=1500.5, WindowWidth=1001)) <= 3


def test_a_window_without_numbers_is_no_window() -> None:
    assert np.array_equal(shades(DEEP, 12, WindowCenter="", WindowWidth=""), shades(DEEP, 12))


def test_a_window_without_width_is_refused() -> None:
    with pytest.raises(UnreadableImage):
        shades(DEEP, 12, WindowCenter=100, WindowWidth=0)


def test_signed_values_are_rescaled_before_the_window() -> None:
    values = np.array([[-1024, 0, 1024]] * 2, dtype=np.int16)
    rescaling = {"RescaleSlope": 2, "RescaleIntercept": 100}
    shown = shades(values, WindowCenter=100.5, WindowWidth=4097, **rescaling)
    assert shown[0].tolist() == [0, 128, 255]


def test_a_negative_slope_turns_the_window_round() -> None:
    values = np.array([[0, 2048, 4095]] * 2, dtype=np.uint16)
    shown = shades(
        values, 12, RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=2048, WindowWidth=4096
    )
    assert shown[0].tolist() == [255, 127, 0]


def test_many_bits_without_window_are_stretched_to_what_occurs() -> None:
    assert shades(np.array([[700, 780, 900]] * 2, np.uint16), 12)[0].tolist() == [0, 102, 255]


def test_a_blank_picture_of_many_bits_is_black() -> None:
    assert not shades(np.full((4, 4), 700, np.uint16)).any()


def test_a_modality_table_is_looked_up_before_what_occurs_is_stretched() -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 10, 16], "US"
    table.LUTData = np.array([0, 100, 1000, 51], "<u2").tobytes()
    values = np.array([[9, 10, 11, 13, 99]] * 2, np.uint16)
    # 12, whose shade would be the brightest, does not occur.
    assert shades(values, ModalityLUTSequence=[table])[0].tolist() == [0, 0, 255, 130, 130]


@pytest.mark.parametrize("kind", ["FloatPixelData", "DoubleFloatPixelData"])
def test_floating_point_values_are_stretched(kind: str) -> None:
    values = np.array([[-1.0, 0.0, 1.0]] * 2, np.float32 if kind == "FloatPixelData" else float)
    shown = shades(
        np.zeros((2, 3), np.uint8),
        BitsAllocated=8 * values.itemsize,
        **dict.fromkeys(["PixelData", "BitsStored", "HighBit", "PixelRepresentation"]),
        **{kind: values.tobytes()},
    )
    assert shown[0].tolist() == [0, 128, 255]


def test_a_deep_picture_is_the_same_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(4000, dtype=np.uint32).reshape(80, 50) ** 2
    whole = shades(values, WindowCenter=8_000_000, WindowWidth=9_000_000)
    monkeypatch.setattr("ml.contract.dicom.grey._STRIP_PIXELS", 300)
    assert np.array_equal(shades(values, WindowCenter=8_000_000, WindowWidth=9_000_000), whole)


def test_single_bits_are_black_and_white() -> None:
    bits = np.array([[0, 1, 1, 0, 1, 0, 0, 1]] * 2, np.uint8)
    packed = np.packbits(bits, bitorder="little").tobytes()
    shown = shades(bits, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed)
    assert np.array_equal(shown, bits * 255)
