import struct
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import JPEG2000, UID, HTJ2KLossless, JPEG2000Lossless

from ml.contract.dicom.stream_jpeg import StreamSize
from ml.contract.dicom.stream_jpeg2000 import bare_codestream, jpeg2000_size
from tests.fakes.dicom_files import compressed
from tests.unit.contract.dicom.pictures import COLOUR, DEEP, FULL, GREY

_GREY = compressed(GREY, JPEG2000Lossless, 8)
_SIZ, _TILE_SIDES = 4, 24
_COD = _GREY.index(b"\xff\x52")


def changed(at: int, replacement: bytes) -> bytes:
    return _GREY[:at] + replacement + _GREY[at + len(replacement) :]


def with_precincts(exponent: int) -> bytes:
    """The same head, but its coding style asks for precincts of so many bits a side."""
    length, levels = int.from_bytes(_GREY[_COD + 2 : _COD + 4], "big"), _GREY[_COD + 9]
    end = _COD + 2 + length
    style = struct.pack(">H", length + levels + 1) + bytes([_GREY[_COD + 4] | 1])
    sizes = bytes([exponent << 4 | exponent] * (levels + 1))
    return _GREY[: _COD + 2] + style + _GREY[_COD + 5 : end] + sizes + _GREY[end:]


@pytest.mark.parametrize(
    ("pixels", "bits", "syntax", "samples"),
    [
        (GREY, 8, JPEG2000Lossless, 1),
        (COLOUR, 8, JPEG2000, 3),
        (DEEP, 12, JPEG2000Lossless, 1),
        (FULL, 16, HTJ2KLossless, 1),
        (COLOUR, 8, HTJ2KLossless, 3),
    ],
)
def test_the_size_is_that_of_the_picture(
    pixels: np.ndarray, bits: int, syntax: UID, samples: int
) -> None:
    size = jpeg2000_size(compressed(pixels, syntax, bits))
    assert size == StreamSize(pixels.shape[1], pixels.shape[0], samples, bits)


def test_the_codestream_is_found_in_a_jp2_file() -> None:
    wrapped = imagecodecs.jpeg2k_encode(GREY, codecformat="jp2", reversible=True)
    stream = bare_codestream(wrapped)
    assert stream.startswith(b"\xff\x4f\xff\x51")
    assert jpeg2000_size(stream) == StreamSize(48, 40, 1, 8)
    assert bare_codestream(stream) is stream


def test_a_jp2_file_without_codestream_is_refused() -> None:
    wrapped = imagecodecs.jpeg2k_encode(GREY, codecformat="jp2", reversible=True)
    with pytest.raises(ValueError, match="without image"):
        bare_codestream(wrapped[: wrapped.index(b"jp2c") - 4])


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"\xff\x4f", "start"),
        (_GREY[2:], "start"),
        (_GREY[:2] + _GREY[_COD:], "size"),
        (_GREY[: _COD + 3], "head"),
        (_GREY[:-60], "cut short"),
        (changed(_TILE_SIDES, struct.pack(">II", 20, 20)), "tiny tiles"),
        (changed(_COD + 10, b"\0\0"), "tiny code-blocks"),
        (with_precincts(1), "tiny precincts"),
        (changed(_SIZ + 38 + 1, b"\2\2"), "thinned-out"),
    ],
)
def test_what_no_decoder_should_see_is_refused(stream: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        jpeg2000_size(stream)


def test_usual_precincts_are_read() -> None:
    assert jpeg2000_size(with_precincts(7)) == jpeg2000_size(_GREY)


def test_a_stream_without_all_its_tiles_is_refused() -> None:
    width = struct.pack(">II", 2 * 48, 40)
    with pytest.raises(ValueError, match="lacks tiles"):
        jpeg2000_size(changed(8, width)[:_TILE_SIDES] + struct.pack(">II", 64, 64) + _GREY[32:])


@given(st.data())
def test_damage_is_a_value_error_or_nothing(data: st.DataObject) -> None:
    damaged = bytearray(_GREY[: data.draw(st.integers(0, len(_GREY)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, min(len(damaged), 150) - 1))] = data.draw(
                st.integers(0, 255)
            )
    with suppress(ValueError, IndexError, struct.error):
        jpeg2000_size(bytes(damaged))
