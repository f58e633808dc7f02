"""A DICOM file's bytes → its elements, and refusals of files without an image."""

import io
import zlib

import pydicom
from pydicom.filereader import _read_file_meta_info, dcmread, read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ml.contract.errors import (
    DeflateBomb,
    EncapsulatedDocument,
    NoPixelData,
    UnreadableImage,
)
from ml.contract.quiet_dicom import quiet_dicom

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_START_OF_META = 132
_DEFLATED = DeflatedExplicitVRLittleEndian.encode()


def read_image_object(data: bytes, max_bytes: int) -> pydicom.Dataset:
    """The elements of a DICOM file that holds an image.

    Args:
        max_bytes: most that a deflated file may inflate to.

    Raises:
        UnreadableImage: damaged or cut short.
        DeflateBomb: it inflates to more than `max_bytes`.
        EncapsulatedDocument: it holds a document such as a PDF.
        NoPixelData: it holds no pixels.
    """
    try:
        with quiet_dicom():
            dataset = _inflated(data, max_bytes) if _DEFLATED in data else None
            if dataset is None:
                dataset = dcmread(io.BytesIO(data))
            has_pixels = any(dataset.get(keyword) for keyword in PIXEL_KEYWORDS)
            has_document = "EncapsulatedDocument" in dataset
    except DeflateBomb:
        raise
    except Exception as error:  # pydicom raises many types on damaged files
        raise UnreadableImage(
            f"The DICOM file is damaged or cut short ({type(error).__name__}).",
            remedy="Export it again from its source.",
        ) from error
    if has_pixels:
        return dataset
    if has_document:
        raise EncapsulatedDocument(
            "The DICOM file holds a document, no image.", remedy="Send the image object itself."
        )
    raise NoPixelData(
        "The DICOM file holds no image pixels.",
        remedy="Send an image object; reports, key object notes, plans and waveforms have none.",
    )


def _inflated(data: bytes, max_bytes: int) -> pydicom.Dataset | None:
    """A deflated file's elements, inflated within a bound, which pydicom would not keep.

    None if the file is not deflated: the syntax's name may stand anywhere in it. The head is read
    by what pydicom itself reads it by, so that both see the same syntax.
    """
    file = io.BytesIO(data)
    file.seek(_START_OF_META)
    meta = _read_file_meta_info(file)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return None
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflate.decompress(memoryview(data)[file.tell() :], max_bytes + 1)
    if len(body) > max_bytes:
        raise DeflateBomb(
            f"The DICOM file inflates to more than the limit of {max_bytes:,} bytes.",
            remedy="Send a smaller image.",
        )
    if not inflate.eof:
        raise EOFError("the deflated elements are cut short")
    dataset = read_dataset(io.BytesIO(body), is_implicit_VR=False, is_little_endian=True)
    dataset.file_meta = meta
    return dataset
