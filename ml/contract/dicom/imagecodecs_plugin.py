"""A pydicom plugin on imagecodecs: libjpeg-turbo, CharLS and OpenJPEG.

Unlike GDCM these do not end the process on a damaged stream, and unlike pydicom's other plugins
they let other threads run while they decode.
"""

from typing import Any

import imagecodecs
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

NAME = "imagecodecs"
JPEG = frozenset({JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1})
JPEG_LS = frozenset({JPEGLSLossless, JPEGLSNearLossless})
JPEG_2000 = frozenset({JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K})
DECODER_DEPENDENCIES = dict.fromkeys(JPEG | JPEG_LS | JPEG_2000, (NAME,))


def is_available(uid: str) -> bool:
    """Whether this plugin decodes the transfer syntax (asked by pydicom)."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(stream: bytes, runner: Any) -> memoryview:
    """The frame's values, pixel by pixel.

    Args:
        runner: pydicom's `DecodeRunner`; is told how many bits a decoded value takes, and that the
            colours of JPEG 2000's own transforms are RGB already.
    """
    if runner.transfer_syntax in JPEG:
        # One model for input and output keeps libjpeg from converting colours; pydicom does that.
        model = "RGB" if runner.samples_per_pixel == 3 else "GRAYSCALE"
        values = imagecodecs.jpeg8_decode(stream, colorspace=model, outcolorspace=model)
    elif runner.transfer_syntax in JPEG_LS:
        values = imagecodecs.jpegls_decode(stream)
    else:
        values = imagecodecs.jpeg2k_decode(stream, numthreads=1)
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
    runner.set_option("bits_allocated", 8 * values.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return values.data  # a view: pydicom copies it
