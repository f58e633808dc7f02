import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from ml.data.codestream import UnknownCodestream, without_comments
from tests.unit.data.test_dicom_profile import deidentified

NAME = b"Zyxwvut^Jane"
GREY = np.random.default_rng(5).integers(0, 256, (40, 48), dtype=np.uint8)


def jpeg(**options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "JPEG", comment=NAME, **options)
    return file.getvalue()


def _exif() -> bytes:
    tags = Image.Exif()
    tags[0x010E] = NAME.decode()
    return tags.tobytes()


def with_segment(stream: bytes, marker: int, content: bytes) -> bytes:
    segment = bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content
    return stream[:2] + segment + stream[2:]


def pixels(stream: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(stream)))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpegs_comments_and_foreign_blocks_are_blanked_and_its_pixels_stay(
    progressive: bool,
) -> None:
    stream = jpeg(progressive=progressive, exif=_exif())
    stream = with_segment(stream, 0xED, b"Photoshop 3.0\0" + NAME) + NAME
    assert stream.count(NAME) == 4
    clean = without_comments(stream, JPEGBaseline8Bit)
    assert NAME not in clean
    assert len(clean) == len(stream) - len(NAME)
    assert clean.endswith(b"\xff\xd9")
    assert np.array_equal(pixels(clean), pixels(stream))
    assert without_comments(clean, JPEGBaseline8Bit) == clean


def test_a_thumbnail_in_a_jfif_block_is_blanked() -> None:
    stream = jpeg()
    at = stream.index(b"JFIF\0") - 4
    length = int.from_bytes(stream[at + 2 : at + 4], "big")
    jfif = stream[at + 4 : at + 2 + length] + NAME
    stream = with_segment(stream[:at] + stream[at + 2 + length :], 0xE0, jfif)
    clean = without_comments(stream, JPEGBaseline8Bit)
    assert NAME not in clean
    assert np.array_equal(pixels(clean), pixels(stream))


def test_the_colour_transform_that_decoders_read_is_kept() -> None:
    file = io.BytesIO()
    Image.fromarray(np.stack([GREY, GREY // 2, 255 - GREY, GREY], axis=-1), "CMYK").save(
        file, "JPEG"
    )
    stream = file.getvalue()
    assert b"Adobe" in stream
    assert without_comments(stream, JPEGBaseline8Bit) == stream


def test_comments_of_jpeg_2000_are_blanked() -> None:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "JPEG2000", no_jp2=True, comment=NAME.decode())
    stream = file.getvalue()
    assert NAME in stream
    clean = without_comments(stream + NAME, JPEG2000Lossless)
    assert NAME not in clean
    assert np.array_equal(pixels(clean), pixels(stream))


@pytest.mark.parametrize("tile_length", [1, 11, 12])
def test_a_tile_that_ends_before_its_data_is_refused(tile_length: int) -> None:
    tile = b"\xff\x90\0\x0a\0\0" + tile_length.to_bytes(4, "big") + b"\0\1"
    with pytest.raises(UnknownCodestream, match="tile"):
        without_comments(b"\xff\x4f" + tile + b"\xff\x93" + bytes(20), JPEG2000)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLSLossless, JPEG2000])
@pytest.mark.parametrize("stream", [b"", b"\xff", NAME, b"\xff\xd8\xff", b"\xff\xd8" + NAME])
def test_what_is_no_such_stream_is_refused(stream: bytes, syntax: pydicom.uid.UID) -> None:
    with pytest.raises(UnknownCodestream):
        without_comments(stream, syntax)


def test_video_is_refused_and_run_lengths_have_no_room_for_comments() -> None:
    with pytest.raises(UnknownCodestream, match="MPEG2"):
        without_comments(b"\0\0\1", MPEG2MPML)
    assert without_comments(b"\1" + bytes(64), RLELossless) == b"\1" + bytes(64)


def jpeg_2000() -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "JPEG2000", no_jp2=True)
    return file.getvalue()


SOUND = {JPEGBaseline8Bit: jpeg(), JPEG2000: jpeg_2000()}


@given(
    st.sampled_from(list(SOUND)),
    st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), max_size=12),
)
def test_damaged_streams_are_blanked_or_refused(
    syntax: pydicom.uid.UID, changes: list[tuple[int, int]]
) -> None:
    stream = bytearray(SOUND[syntax])
    for place, value in changes:
        stream[place] = value
    try:
        clean = without_comments(bytes(stream), syntax)
    except UnknownCodestream:
        return
    assert len(clean) <= len(stream)


@given(st.binary(max_size=200), st.sampled_from([JPEGBaseline8Bit, JPEGLSLossless, JPEG2000]))
def test_any_bytes_are_blanked_or_refused(tail: bytes, syntax: pydicom.uid.UID) -> None:
    head = b"\xff\x4f" if syntax == JPEG2000 else b"\xff\xd8"
    try:
        clean = without_comments(head + tail, syntax)
    except UnknownCodestream:
        return
    assert len(clean) <= len(tail) + 2
    assert without_comments(clean, syntax) == clean


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_jpeg_no_color_transform.dcm",
        "JPEGLSNearLossless_08.dcm",
        "JPEG2000.dcm",
        "examples_jpeg2k.dcm",
        "MR_small_RLE.dcm",
        "examples_ybr_color.dcm",
    ],
)
def test_real_compressed_frames_keep_their_pixels(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom does not bundle {name}")
    data = Path(str(path)).read_bytes()
    source = pydicom.dcmread(io.BytesIO(data))
    clean = pydicom.dcmread(io.BytesIO(deidentified(data)))
    assert np.array_equal(clean.pixel_array, source.pixel_array)
