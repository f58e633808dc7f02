"""Pixels that cannot be shown are refused by name, and no value of a header is repeated."""

import numpy as np
import pytest
from pydicom.uid import MPEG2MPML, UID, JPEGLossless

from ml.contract.decoding import decode
from ml.contract.errors import (
    InputError,
    UnreadableImage,
    UnsupportedPixels,
    UnsupportedTransferSyntax,
)
from tests.fakes.dicom_files import dicom_around, dicom_file
from tests.unit.contract.dicom.pictures import COLOUR, DEEP, GREY

_SECRET = "DOE1970"


def refusal(data: bytes) -> InputError:
    with pytest.raises(InputError) as raised:
        decode(data)
    assert raised.value.remedy
    assert "DOE" not in str(raised.value)
    return raised.value


def test_a_syntax_of_the_standard_is_named() -> None:
    error = refusal(dicom_around(b"\0\0\1\xb3", GREY, MPEG2MPML))
    assert isinstance(error, UnsupportedTransferSyntax)
    assert "MPEG2" in error.message


def test_any_other_syntax_is_not_repeated() -> None:
    error = refusal(dicom_around(b"\0\0", GREY, UID("1.2.3.4.1970")))
    assert isinstance(error, UnsupportedTransferSyntax)
    assert "1970" not in error.message


@pytest.mark.parametrize(
    "data",
    [
        dicom_file(COLOUR, PhotometricInterpretation="HSV"),
        dicom_file(GREY, PhotometricInterpretation=_SECRET),
        dicom_file(GREY, PhotometricInterpretation="RGB", PlanarConfiguration=0),
        dicom_file(COLOUR, PhotometricInterpretation="MONOCHROME2"),
        dicom_file(COLOUR.astype(np.uint16), PhotometricInterpretation="YBR_FULL"),
        dicom_file(DEEP, bits=12, HighBit=15),
        dicom_file(GREY.astype(np.uint64)),
        dicom_file(GREY, BitsAllocated=24, BitsStored=24, HighBit=23),
        dicom_around(b"\xff\xd8", GREY.astype(np.uint32), JPEGLossless),
        dicom_file(GREY.astype(np.uint32), PhotometricInterpretation="PALETTE COLOR"),
        dicom_file(GREY, PixelData=None, FloatPixelData=bytes(4 * GREY.size)),
    ],
    ids=[
        *("HSV", "unknown model", "one channel of three", "three channels of one", "deep YBR"),
        *(
            "upper bits",
            "64 bits",
            "24 bits",
            "compressed 32 bits",
            "deep palette",
            "floats of 8 bits",
        ),
    ],
)
def test_pixels_that_cannot_be_shown_are_unsupported(data: bytes) -> None:
    assert isinstance(refusal(data), UnsupportedPixels)


@pytest.mark.parametrize(
    "elements",
    [
        {"Rows": None},
        {"Rows": 0},
        {"BitsAllocated": None},
        {"BitsStored": 9, "HighBit": 8},
        {"NumberOfFrames": -1},
        {"SamplesPerPixel": None},
    ],
    ids=lambda elements: next(iter(elements)),
)
def test_a_header_that_describes_no_image_is_unreadable(elements: dict[str, object]) -> None:
    assert isinstance(refusal(dicom_file(GREY, **elements)), UnreadableImage)
