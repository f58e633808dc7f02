"""DICOM against pydicom's own collection of files and against files made here."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.errors import ImageTooLarge, UnreadableImage, UnsupportedImage, VigieError


def pydicoms_own(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this release of pydicom does not ship {name}")
    return Path(str(path)).read_bytes()


def dicom(pixels: np.ndarray, **attributes: Any) -> bytes:
    """A secondary capture of `pixels`; attributes override or, if None, remove."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    colour = pixels.ndim == 3
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for name, value in attributes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


GRADIENT = np.arange(40, 168, dtype=np.uint8).reshape(8, 16)

_COLOUR_BARS = [
    (255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255),
    (128, 128, 255), (0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255),
]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_rle.dcm",
        "SC_rgb_rle_16bit.dcm",
        "SC_rgb_rle_32bit.dcm",
        "SC_rgb_gdcm_KY.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_dcmtk_+eb+cy+np.dcm",
        "SC_rgb_dcmtk_+eb+cr.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
    ],
)
def test_colour_bars_have_their_colours_however_they_are_stored(name: str) -> None:
    pixels = decode(pydicoms_own(name)).pixels
    bars = pixels[5:100:10, 50].astype(int)
    assert np.abs(bars - np.array(_COLOUR_BARS)).max() <= 6


@pytest.mark.filterwarnings("ignore:The pixel data is")
@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_padded.dcm",
     "MR_small_jp2klossless.dcm"],
)  # fmt: skip
def test_one_picture_in_several_encodings_is_one_picture(name: str) -> None:
    expected = decode(pydicoms_own("MR_small.dcm"))
    decoded = decode(pydicoms_own(name))
    assert np.array_equal(decoded.pixels, expected.pixels)
    assert decoded.media_type == "application/dicom"
    assert decoded.bits_stored == 16


def test_palette_colours_are_looked_up() -> None:
    data = pydicoms_own("examples_palette.dcm")
    dataset = pydicom.dcmread(io.BytesIO(data))
    expected = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset) >> 8
    assert np.array_equal(decode(data).pixels, expected)


@pytest.mark.parametrize(
    "name", ["JPEG-lossy.dcm", "JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_an_encoding_without_decoder_is_unreadable_with_a_remedy(name: str) -> None:
    with pytest.raises(UnreadableImage) as raised:
        decode(pydicoms_own(name))
    assert "uncompressed" in raised.value.remedy


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "badVR.dcm"])
def test_damaged_files_are_unreadable(name: str) -> None:
    with pytest.raises(UnreadableImage):
        decode(pydicoms_own(name))


@pytest.mark.parametrize("name", ["rtplan.dcm", "reportsi.dcm", "test-SR.dcm", "waveform_ecg.dcm"])
def test_objects_without_pixels_are_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedImage, match="no image pixels"):
        decode(pydicoms_own(name))


def test_several_frames_are_unsupported() -> None:
    with pytest.raises(UnsupportedImage, match="2 frames"):
        decode(pydicoms_own("SC_rgb_rle_2frame.dcm"))


def test_a_deflated_file_is_unsupported_since_no_limit_holds_for_it() -> None:
    with pytest.raises(UnsupportedImage, match="deflated"):
        decode(pydicoms_own("image_dfl.dcm"))


def test_eight_bit_grey_has_the_pixels_of_the_same_picture_as_png() -> None:
    assert np.array_equal(decode(dicom(GRADIENT)).pixels, GRADIENT)


def test_inverted_grey_is_turned_round() -> None:
    data = dicom(GRADIENT, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(decode(data).pixels, 255 - GRADIENT)


def test_colour_has_the_pixels_of_the_same_picture_as_png() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    assert np.array_equal(decode(dicom(pixels)).pixels, pixels)


def test_equal_colour_channels_are_grey() -> None:
    assert np.array_equal(decode(dicom(np.stack([GRADIENT] * 3, axis=-1))).pixels, GRADIENT)


def test_a_window_says_what_is_black_and_white() -> None:
    values = np.array([[0, 1000, 1500, 2000, 4095]] * 2, dtype=np.uint16)
    data = dicom(values, BitsStored=12, HighBit=11, WindowCenter=1500.5, WindowWidth=1001)
    decoded = decode(data)
    assert decoded.pixels[0].tolist() == [0, 0, 128, 255, 255]
    assert decoded.bits_stored == 12


def test_a_picture_narrower_than_its_window_stays_flat() -> None:
    values = np.array([[1500, 1510]] * 2, dtype=np.uint16)
    data = dicom(values, BitsStored=12, HighBit=11, WindowCenter=1500.5, WindowWidth=1001)
    assert np.ptp(decode(data).pixels) <= 3


def test_signed_values_are_rescaled_before_the_window() -> None:
    values = np.array([[-1024, 0, 1024]] * 2, dtype=np.int16)
    data = dicom(values, RescaleSlope=2, RescaleIntercept=100, WindowCenter=100.5, WindowWidth=4097)
    assert decode(data).pixels[0].tolist() == [0, 128, 255]


def test_many_bits_without_window_are_stretched_to_what_occurs() -> None:
    values = np.array([[700, 780, 900]] * 2, dtype=np.uint16)
    assert decode(dicom(values, BitsStored=12, HighBit=11)).pixels[0].tolist() == [0, 102, 255]


def test_a_blank_picture_of_many_bits_is_black() -> None:
    assert not decode(dicom(np.full((4, 4), 700, np.uint16))).pixels.any()


def test_claimed_pixels_are_counted_before_they_are_decoded() -> None:
    with pytest.raises(ImageTooLarge, match="16×8"):
        decode(dicom(GRADIENT), DecodeLimits(max_pixels=127))
    with pytest.raises(ImageTooLarge):
        decode(dicom(GRADIENT, Rows=65535, Columns=65535))


def test_what_identifies_a_patient_is_in_no_warning(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    data = dicom(GRADIENT, PatientBirthDate="19700101").replace(b"19700101", b"Nour1970")
    decode(data)
    assert "Nour" not in " ".join([str(warning.message) for warning in recwarn] + [caplog.text])


_VALID = dicom(GRADIENT, WindowCenter=100, WindowWidth=100)


@pytest.mark.filterwarnings("ignore")  # pydicom complains about what is damaged here on purpose
@given(
    st.lists(
        st.tuples(st.integers(128, len(_VALID) - 1), st.integers(0, 255)), min_size=1, max_size=6
    ),
    st.integers(140, len(_VALID)),
)
@settings(max_examples=300, deadline=None)
def test_damage_never_raises_anything_but_a_typed_error(
    damage: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(_VALID)
    for position, value in damage:
        damaged[position] = value
    try:
        pixels = decode(bytes(damaged[:length])).pixels
    except VigieError:
        return
    assert pixels.dtype == np.uint8
