import numpy as np
import pytest
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLosslessSV1, JPEGLSLossless

from ml.contract.dicom.stream_jpeg import StreamSize, jpeg_size
from tests.fakes.dicom_files import compressed
from tests.unit.contract.dicom.pictures import COLOUR, DEEP, GREY

_GREY = compressed(GREY, JPEGLosslessSV1, 8)


@pytest.mark.parametrize(
    ("pixels", "syntax", "samples", "precision"),
    [
        (GREY, JPEGBaseline8Bit, 1, 8),
        (DEEP, JPEGExtended12Bit, 1, 12),
        (COLOUR, JPEGLosslessSV1, 3, 8),
        (DEEP, JPEGLSLossless, 1, 16),
    ],
)
def test_the_size_is_that_of_the_picture(
    pixels: np.ndarray, syntax: UID, samples: int, precision: int
) -> None:
    size = jpeg_size(compressed(pixels, syntax, 8 * pixels.dtype.itemsize))
    assert size == StreamSize(pixels.shape[1], pixels.shape[0], samples, precision)


def test_padding_behind_the_end_is_no_fault() -> None:
    assert jpeg_size(_GREY + b"\0") == jpeg_size(_GREY + b"\xff") == jpeg_size(_GREY)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\xff\xd8\xff\xd9",
        _GREY[:-40],
        _GREY[2:],
        b"\xff\xd8" + _GREY,
        _GREY[:2] + b"\0" + _GREY[2:],
        _GREY[:4] + b"\0\1" + _GREY[6:],
    ],
    ids=["empty", "no frame", "cut", "no start", "two starts", "between", "tiny segment"],
)
def test_what_no_decoder_should_see_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"does not start or end|has no header"):
        jpeg_size(stream)
