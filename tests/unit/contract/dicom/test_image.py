"""Whole files: pydicom's own collection, frames, damage, and what is never told."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import UID

from ml.contract.decoding import DecodeLimits, FramePolicy, decode
from ml.contract.errors import ImageTooLarge, InputError, SeveralFrames, UnreadableImage
from tests.fakes.dicom_files import LOSSLESS, LOSSY, dicom_file
from tests.unit.contract.dicom.bundled_files import FOLDER
from tests.unit.contract.dicom.pictures import COLOUR, DEEP, GRADIENT, GREY

_COLOUR_BARS = [
    (255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255),
    (128, 128, 255), (0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255),
]  # fmt: skip


def bundled(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name
        for path in Path(FOLDER).glob("SC_*")
        if path.name.startswith(("SC_rgb_dcmtk", "SC_rgb_gdcm", "SC_rgb_jls", "SC_rgb_rle"))
        or path.name in ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_jpeg_gdcm.dcm")
    ),
)
def test_colour_bars_have_their_colours_however_they_are_stored(name: str) -> None:
    pixels = decode(bundled(name), DecodeLimits(frames="first")).pixels
    bars = pixels[5:100:10, 50].astype(int)
    assert np.abs(bars - np.array(_COLOUR_BARS)).max() <= 6


@pytest.mark.parametrize(
    "name",
    ["RLE", "bigendian", "expb", "implicit", "padded", "jp2klossless", "jpeg_ls_lossless"],
)
def test_one_picture_in_several_encodings_is_one_picture(name: str) -> None:
    expected = decode(bundled("MR_small.dcm"))
    decoded = decode(bundled(f"MR_small_{name}.dcm"))
    assert np.array_equal(decoded.pixels, expected.pixels)
    assert decoded.media_type == "application/dicom"
    assert decoded.bits_stored == 16


def test_twelve_bits_of_lossy_jpeg_are_read() -> None:
    decoded = decode(bundled("JPGExtended.dcm"))
    assert decoded.pixels.shape == (1024, 256)
    assert decoded.bits_stored == 12


def test_palette_colours_are_as_pydicom_looks_them_up() -> None:
    dataset = pydicom.dcmread(FOLDER / "examples_palette.dcm")
    expected = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset) >> 8
    assert np.array_equal(decode(bundled("examples_palette.dcm")).pixels, expected)


@pytest.mark.parametrize("syntax", [*LOSSLESS, *LOSSY], ids=lambda uid: uid.keyword)
@pytest.mark.parametrize(("policy", "chosen"), [("first", 0), ("middle", 2)])
def test_one_frame_is_the_image_if_the_policy_says_which(
    syntax: UID, policy: FramePolicy, chosen: int
) -> None:
    frames = [np.roll(GREY, 7 * index, axis=1) for index in range(4)]
    decoded = decode(dicom_file(*frames, syntax=syntax), DecodeLimits(frames=policy)).pixels
    alone = decode(dicom_file(frames[chosen], syntax=syntax)).pixels
    assert np.array_equal(decoded, alone)


def test_several_frames_are_refused_otherwise() -> None:
    with pytest.raises(SeveralFrames, match="2 frames") as raised:
        decode(dicom_file(GREY, GREY))
    assert raised.value.remedy


def test_limits_are_those_of_one_frame() -> None:
    limits = DecodeLimits(max_pixels=GREY.size, frames="middle")
    assert np.array_equal(decode(dicom_file(GREY, COLOUR[..., 0], GREY), limits).pixels, GREY)


def test_more_frames_than_the_header_says_are_not_looked_at() -> None:
    file = dicom_file(GREY, 255 - GREY, NumberOfFrames=1)
    assert np.array_equal(decode(file).pixels, GREY)


@pytest.mark.parametrize("syntax", [*LOSSLESS, *LOSSY], ids=lambda uid: uid.keyword)
def test_fewer_frames_than_the_header_says_are_damage(syntax: UID) -> None:
    file = dicom_file(GREY, GREY, syntax=syntax, NumberOfFrames=9)
    with pytest.raises(UnreadableImage):
        decode(file, DecodeLimits(frames="middle"))


def test_claimed_pixels_are_counted_before_they_are_decoded() -> None:
    with pytest.raises(ImageTooLarge, match="16×8"):
        decode(dicom_file(GRADIENT), DecodeLimits(max_pixels=127))
    with pytest.raises(ImageTooLarge):
        decode(dicom_file(GRADIENT, Rows=65535, Columns=65535))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("MR_truncated.dcm", "fewer pixels"),
        ("badVR.dcm", "does not describe"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", "compressed frame"),
    ],
)
def test_damaged_files_are_unreadable_for_a_reason(name: str, why: str) -> None:
    with pytest.raises(UnreadableImage, match=why) as raised:
        decode(bundled(name))
    assert raised.value.remedy


@pytest.mark.parametrize("syntax", [*LOSSLESS, *LOSSY], ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("elements", [{"Rows": 39}, {"Columns": 96}, {"Rows": 4000}])
def test_a_frame_of_another_size_than_the_header_says_is_not_decoded(
    syntax: UID, elements: dict[str, int]
) -> None:
    if syntax.is_encapsulated and "RLE" not in syntax.name:
        with pytest.raises(UnreadableImage, match="another size"):
            decode(dicom_file(GREY, syntax=syntax, **elements))
    elif elements["Rows" if "Rows" in elements else "Columns"] > 48:
        with pytest.raises(UnreadableImage):
            decode(dicom_file(GREY, syntax=syntax, **elements))


def test_what_identifies_a_patient_is_told_nowhere(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    file = dicom_file(GRADIENT, PatientBirthDate="19700101", PatientName="Nour^Real")
    decode(file.replace(b"19700101", b"Nour1970"))
    with pytest.raises(InputError) as raised:
        decode(file.replace(b"19700101", b"Nour1970")[:-9])
    told = [str(warning.message) for warning in recwarn] + [caplog.text, str(raised.value)]
    assert "Nour" not in " ".join(told)


_VALID = [
    *(dicom_file(GREY, syntax=syntax) for syntax in (*LOSSLESS, *LOSSY)),
    dicom_file(DEEP, DEEP, DEEP, bits=12, WindowCenter=1000, WindowWidth=900, PixelSpacing=[1, 2]),
    dicom_file(COLOUR, PhotometricInterpretation="YBR_FULL"),
]


@given(
    st.sampled_from(_VALID),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0, 1),
)
@settings(max_examples=400, deadline=None)
def test_damage_never_raises_anything_but_a_typed_error(
    data: bytes, damage: list[tuple[float, int]], end: float
) -> None:
    damaged = bytearray(data)
    for place, value in damage:
        damaged[132 + int(place * (len(data) - 133))] = value
    # Half of the examples keep their end.
    length = min(len(data), int((1 + end) * len(data) * 0.75))
    try:
        pixels = decode(bytes(damaged[:length]), DecodeLimits(max_pixels=2**18, frames="middle"))
    except InputError:
        return
    assert pixels.pixels.dtype == np.uint8
    assert 0 < pixels.pixels.shape[0] * pixels.pixels.shape[1] <= 2**18


def test_reading_leaves_the_bytes_alone() -> None:
    data = io.BytesIO(_VALID[0]).getvalue()
    decode(data)
    assert data == _VALID[0]
