import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ml.data.tiff import tiff_parts


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    colour=st.booleans(),
    flipped=st.booleans(),
)
def test_another_reader_sees_the_same_pixels(
    height: int, width: int, colour: bool, flipped: bool
) -> None:
    shape = (height, width, 3) if colour else (height, width)
    pixels = np.random.default_rng(height * 71 + width).integers(0, 256, shape, dtype=np.uint8)
    pixels = pixels[::-1] if flipped else pixels
    with Image.open(io.BytesIO(b"".join(tiff_parts(pixels)))) as image:
        assert (image.format, image.mode) == ("TIFF", "RGB" if colour else "L")
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3)])
def test_libtiff_reads_it_too(shape: tuple[int, ...]) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(imagecodecs.tiff_decode(b"".join(tiff_parts(pixels))), pixels)


def test_the_header_is_small_and_pixels_are_not_copied() -> None:
    pixels = np.zeros((100, 120), np.uint8)
    header, body = tiff_parts(pixels)
    assert len(header) < 300
    assert np.shares_memory(np.frombuffer(body, np.uint8), pixels)
