"""Uncompressed TIFF (Adobe, TIFF Revision 6.0, 1992): a header, then the pixels as they are."""

import io
from functools import lru_cache

import numpy as np
from PIL import TiffImagePlugin as Tiff

from ml.contract.decoding import Pixels

_COMPRESSION, _NONE = 259, 1
_PHOTOMETRIC, _BLACK_IS_ZERO, _RGB = 262, 1, 2
_SAMPLES_PER_PIXEL, _SAMPLE_BITS = 277, 8
_PLANAR_CONFIGURATION, _INTERLEAVED = 284, 1
_SHAPES_KEPT = 256


def tiff_parts(pixels: Pixels) -> tuple[bytes, memoryview]:
    """The two parts of a file, without copying the pixels.

    Args:
        pixels: uint8, (height, width) or (height, width, 3).
    """
    return _header(pixels.shape), np.ascontiguousarray(pixels).reshape(-1).data


@lru_cache(_SHAPES_KEPT)
def _header(shape: tuple[int, ...]) -> bytes:
    height, width, *samples = shape
    count = samples[0] if samples else 1
    directory = Tiff.ImageFileDirectory_v2()
    directory[Tiff.IMAGEWIDTH] = width
    directory[Tiff.IMAGELENGTH] = height
    directory[Tiff.BITSPERSAMPLE] = (_SAMPLE_BITS,) * count
    directory[_COMPRESSION] = _NONE
    directory[_PHOTOMETRIC] = _RGB if samples else _BLACK_IS_ZERO
    directory[Tiff.STRIPOFFSETS] = 0  # counted from the header's end; Pillow adds its length
    directory[_SAMPLES_PER_PIXEL] = count
    directory[Tiff.ROWSPERSTRIP] = height
    directory[Tiff.STRIPBYTECOUNTS] = height * width * count
    directory[_PLANAR_CONFIGURATION] = _INTERLEAVED
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue()
