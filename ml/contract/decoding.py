"""Bytes → pixels, once for ingest and serving: PNG, JPEG, TIFF and DICOM.

The file type is read from the bytes, never from a name or a declared content type.
"""

from dataclasses import dataclass
from typing import Literal

from ml.contract.decoding_pillow import PillowType, decode_with_pillow
from ml.contract.limits import DecodeLimits, FramePolicy, check_byte_count
from ml.contract.pixels import Pixels, image_id

__all__ = [
    "DecodeLimits",
    "DecodedImage",
    "FramePolicy",
    "MediaType",
    "Pixels",
    "decode",
    "image_id",
    "is_dicom",
]

MediaType = PillowType | Literal["application/dicom"]

_DICOM_PREAMBLE = 128
_DICOM_MAGIC = b"DICM"


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """`pixels` is uint8, (height, width) for grey or (height, width, 3) for RGB."""

    pixels: Pixels
    media_type: MediaType
    bits_stored: int


def is_dicom(data: bytes) -> bool:
    """Whether the bytes start like a DICOM file (128-byte preamble, then `DICM`)."""
    return data[_DICOM_PREAMBLE : _DICOM_PREAMBLE + 4] == _DICOM_MAGIC


def decode(data: bytes, limits: DecodeLimits | None = None) -> DecodedImage:
    """Decode an image file to 8-bit grey or RGB pixels.

    Raises:
        ImageTooLarge: more bytes or pixels than `limits` allows.
        UnsupportedImage: not a PNG, JPEG, TIFF or DICOM file, or one without an image that is
            read. Its kinds name the reason: SeveralFrames, and of DICOM UnsupportedTransferSyntax,
            NoPixelData, EncapsulatedDocument and UnsupportedPixels.
        UnreadableImage: of a supported type, but empty, truncated or damaged.
    """
    limits = limits or DecodeLimits()
    check_byte_count(data, limits)
    if is_dicom(data):
        # Only who has DICOM files waits for pydicom and its codecs.
        from ml.contract.dicom.image import decode_dicom

        return DecodedImage(*decode_dicom(data, limits))
    return DecodedImage(*decode_with_pillow(data, limits))
