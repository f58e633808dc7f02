"""Every transfer syntax that can be written here, read again."""

import base64
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSNearLossless,
)

from ml.contract.decoding import decode
from ml.contract.dicom.transfer_syntaxes import DECODERS
from tests.fakes.dicom_files import (
    LOSSLESS,
    LOSSY,
    UNCOMPRESSED,
    dicom_around,
    dicom_file,
)
from tests.unit.contract.dicom.pictures import COLOUR, DEEP, FULL, GREY, SIGNED, noise

_KINDS = {
    "8 bits": (GREY, 8),
    "colour": (COLOUR, 8),
    "12 bits": (DEEP, 12),
    "12 bits signed": (SIGNED, 12),
    "16 bits": (FULL, 16),
}
# No encoder here writes them, or the syntax does not allow them.
_IMPOSSIBLE = {
    (JPEGBaseline8Bit, "12 bits"),
    (JPEGBaseline8Bit, "12 bits signed"),
    (JPEGBaseline8Bit, "16 bits"),
    (JPEGExtended12Bit, "12 bits signed"),
    (JPEGExtended12Bit, "16 bits"),
    (JPEGLSNearLossless, "12 bits signed"),
}
_TOLERANCE = 4


def by_name(syntax: object) -> str:
    return syntax.keyword if isinstance(syntax, UID) else str(syntax)


def test_what_is_tested_is_what_is_read() -> None:
    assert set(DECODERS) == {*LOSSLESS, *LOSSY}


@pytest.mark.parametrize("syntax", sorted(DECODERS.keys() - {*UNCOMPRESSED}), ids=by_name)
def test_the_one_decoder_of_a_syntax_is_installed(syntax: UID) -> None:
    assert DECODERS[syntax] in get_decoder(syntax).available_plugins


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("syntax", LOSSLESS, ids=by_name)
def test_a_lossless_syntax_changes_no_pixel(syntax: UID, kind: str) -> None:
    pixels, bits = _KINDS[kind]
    plain = decode(dicom_file(pixels, bits=bits))
    decoded = decode(dicom_file(pixels, syntax=syntax, bits=bits))
    assert np.array_equal(decoded.pixels, plain.pixels)
    assert decoded.bits_stored == bits


@pytest.mark.parametrize(
    ("syntax", "kind"),
    [pair for pair in product(LOSSY, _KINDS) if pair not in _IMPOSSIBLE],
    ids=by_name,
)
def test_a_lossy_syntax_changes_pixels_a_little(syntax: UID, kind: str) -> None:
    pixels, bits = _KINDS[kind]
    plain = decode(dicom_file(pixels, bits=bits)).pixels.astype(int)
    decoded = decode(dicom_file(pixels, syntax=syntax, bits=bits)).pixels
    assert np.abs(decoded - plain).max() <= _TOLERANCE


@given(st.sampled_from(LOSSLESS), st.sampled_from(list(_KINDS)), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_noise_survives_every_lossless_syntax(syntax: UID, kind: str, seed: int) -> None:
    like, bits = _KINDS[kind]
    pixels = noise(like.shape, like.dtype.type, bits, seed)
    plain = decode(dicom_file(pixels, bits=bits)).pixels
    assert np.array_equal(decode(dicom_file(pixels, syntax=syntax, bits=bits)).pixels, plain)


def test_lossless_jpeg_of_another_encoder_is_the_same_picture() -> None:
    pixels = np.add.outer(np.arange(8) * 2300, np.arange(8) ** 2 * 700).astype(np.uint16)
    # Written by GDCM 3.2.6.
    stream = base64.b64decode(
        "/9j/wwALEAAIAAgBAREA/8QAGAABAQEBAQAAAAAAAAAAAAAADQwKDhD/2gAIAQEAAQAA9q8oNLaxMkYnHhTo4yj81eUG"
        "ltYmSMTjwp0cZR+avKDS2sTJGJx4U6OMo/NXlBpbWJkjE48KdHGUfmryg0trEyRiceFOjjKPzV5QaW1iZIxOPCnRxlH5"
        "q8oNLaxMkYnHhTo4yj81eUGltYmSMTjwp0cZ/9kA"
    )
    for syntax in (JPEGLossless, JPEGLosslessSV1):
        decoded = decode(dicom_around(stream, pixels, syntax))
        assert np.array_equal(decoded.pixels, decode(dicom_file(pixels)).pixels)
