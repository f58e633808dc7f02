import numpy as np
import pytest

from ml.contract.decoding import MediaType, decode
from ml.data.phantoms.files import StudyHeader, encode

# Odd sides: DICOM pads pixel data to an even length.
PIXELS = np.random.default_rng(0).integers(0, 256, (33, 41), dtype=np.uint8)
PIXELS[0, :2] = 0, 255


@pytest.mark.parametrize("media_type", ["image/png", "image/tiff", "application/dicom"])
def test_lossless_files_decode_to_the_same_pixels(media_type: MediaType) -> None:
    decoded = decode(encode(PIXELS, media_type))
    assert decoded.media_type == media_type
    np.testing.assert_array_equal(decoded.pixels, PIXELS)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_dicom_of_every_depth_shows_the_same_picture(bits: int) -> None:
    decoded = decode(encode(PIXELS, "application/dicom", StudyHeader(bits_stored=bits)))
    assert decoded.bits_stored == bits
    np.testing.assert_array_equal(decoded.pixels, PIXELS)


def test_a_jpeg_is_close_to_its_source() -> None:
    smooth = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (60, 1))
    decoded = decode(encode(smooth, "image/jpeg"))
    assert np.abs(decoded.pixels.astype(int) - smooth).max() < 12


def test_the_same_pixels_give_the_same_bytes() -> None:
    for media_type in ("image/png", "image/jpeg", "application/dicom"):
        assert encode(PIXELS, media_type) == encode(PIXELS, media_type)
