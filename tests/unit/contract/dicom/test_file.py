"""What holds no image is refused by what it holds, and nothing is inflated without a bound."""

import tracemalloc
import zlib

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, EncapsulatedPDFStorage

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.errors import DeflateBomb, EncapsulatedDocument, NoPixelData, UnreadableImage
from tests.fakes.dicom_files import dicom_file
from tests.unit.contract.dicom.pictures import GREY

_DEFLATED = dicom_file(GREY, syntax=DeflatedExplicitVRLittleEndian)
_UID = DeflatedExplicitVRLittleEndian.encode()


def test_a_deflated_file_is_the_same_picture() -> None:
    assert np.array_equal(decode(_DEFLATED).pixels, GREY)


def test_it_may_inflate_to_the_limit_and_no_further() -> None:
    size = len(dicom_file(GREY)) + 100
    assert decode(_DEFLATED, DecodeLimits(max_bytes=size)).pixels.shape == GREY.shape
    with pytest.raises(DeflateBomb, match=f"{GREY.size:,}"):
        decode(_DEFLATED, DecodeLimits(max_bytes=GREY.size))


def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    length_of_head = 144 + int.from_bytes(_DEFLATED[140:144], "little")
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    zeros = bytes(2**20)
    body = b"".join([*(squeeze.compress(zeros) for _ in range(256)), squeeze.flush()])
    tracemalloc.start()
    with pytest.raises(DeflateBomb):
        decode(_DEFLATED[:length_of_head] + body, DecodeLimits(max_bytes=2**21))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**23


def test_a_deflated_file_cut_short_is_unreadable() -> None:
    with pytest.raises(UnreadableImage, match="cut short"):
        decode(_DEFLATED[:-50])


def test_the_syntax_named_elsewhere_deflates_nothing() -> None:
    file = dicom_file(GREY, ImageComments=DeflatedExplicitVRLittleEndian)
    assert _UID in file
    assert np.array_equal(decode(file).pixels, GREY)


def test_a_document_is_told_from_an_image() -> None:
    file = dicom_file(
        GREY,
        PixelData=None,
        SOPClassUID=EncapsulatedPDFStorage,
        EncapsulatedDocument=b"%PDF-1.7",
        MIMETypeOfEncapsulatedDocument="application/pdf",
    )
    with pytest.raises(EncapsulatedDocument) as raised:
        decode(file)
    assert raised.value.remedy


@pytest.mark.parametrize("pixels", [None, b""], ids=["missing", "empty"])
def test_a_file_without_pixels_holds_no_image(pixels: bytes | None) -> None:
    report = Dataset()
    report.TextValue = "no finding"
    with pytest.raises(NoPixelData, match="no image pixels"):
        decode(dicom_file(GREY, PixelData=pixels, ContentSequence=[report]))
