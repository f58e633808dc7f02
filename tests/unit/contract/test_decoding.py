import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.errors import (
    ImageTooLarge,
    SeveralFrames,
    UnreadableImage,
    UnsupportedImage,
    VigieError,
)

_SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int = 20, width: int = 30, *, channels: int = 1) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


@given(arrays.arrays(np.uint8, _SHAPES), st.sampled_from(["PNG", "TIFF"]))
def test_grey_pixels_survive_lossless_files(pixels: np.ndarray, kind: str) -> None:
    decoded = decode(encoded(pixels, kind))
    assert np.array_equal(decoded.pixels, pixels)
    assert decoded.media_type == f"image/{kind.lower()}"
    assert decoded.bits_stored == 8


@given(arrays.arrays(np.uint8, _SHAPES))
def test_a_grey_picture_saved_as_colour_is_the_same_picture(pixels: np.ndarray) -> None:
    colour = np.repeat(pixels[..., np.newaxis], 3, axis=2)
    assert np.array_equal(decode(encoded(colour, "PNG")).pixels, pixels)


def test_colour_stays_colour() -> None:
    pixels = noise(channels=3)
    assert np.array_equal(decode(encoded(pixels, "PNG")).pixels, pixels)


def test_a_jpeg_is_told_from_its_bytes() -> None:
    decoded = decode(encoded(noise(), "JPEG", quality=95))
    assert decoded.media_type == "image/jpeg"
    assert decoded.pixels.shape == (20, 30)


def test_transparency_and_palettes_become_plain_colour() -> None:
    rgba = noise(channels=4)
    assert decode(encoded(rgba, "PNG")).pixels.shape == (20, 30, 3)
    palette = Image.fromarray(noise(channels=3)).convert("P")
    buffer = io.BytesIO()
    palette.save(buffer, "PNG")
    assert np.array_equal(decode(buffer.getvalue()).pixels, np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_their_full_range(kind: str) -> None:
    pixels = np.array([[0, 255, 256], [32768, 65279, 65535]], dtype=np.uint16)
    decoded = decode(encoded(pixels, kind))
    assert decoded.pixels.tolist() == [[0, 0, 1], [128, 254, 255]]
    assert decoded.bits_stored == 16


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned clockwise
    decoded = decode(encoded(noise(20, 30), "JPEG", exif=exif))
    assert decoded.pixels.shape == (30, 20)


@pytest.mark.parametrize("data", [b"hello", b"GIF89a" + b"\0" * 40, b"\0" * 4096, b"%PDF-1.7\n"])
def test_other_files_are_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImage) as raised:
        decode(data)
    assert raised.value.remedy


def test_an_empty_file_is_unreadable() -> None:
    with pytest.raises(UnreadableImage, match="empty"):
        decode(b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_file_cut_short_is_unreadable(kind: str) -> None:
    data = encoded(noise(64, 64), kind)
    with pytest.raises(UnreadableImage):
        decode(data[: len(data) // 2])


def test_an_animated_file_is_unsupported() -> None:
    with pytest.raises(SeveralFrames, match="2 frames"):
        decode(pages(noise(), 255 - noise()))


def pages(*pictures: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    first, *others = map(Image.fromarray, pictures)
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


def test_one_page_of_a_file_is_the_image_if_the_policy_says_which() -> None:
    first, middle, last = noise(), 255 - noise(), noise(channels=3)
    data = pages(first, middle, last)
    assert np.array_equal(decode(data, DecodeLimits(frames="first")).pixels, first)
    assert np.array_equal(decode(data, DecodeLimits(frames="middle")).pixels, middle)


def test_the_chosen_page_is_counted() -> None:
    data = pages(noise(10, 10), noise(30, 40))
    assert decode(data, DecodeLimits(frames="first", max_pixels=100)).pixels.shape == (10, 10)
    with pytest.raises(ImageTooLarge, match="40×30"):
        decode(data, DecodeLimits(frames="middle", max_pixels=1199))


def test_too_many_bytes_are_refused_before_they_are_looked_at() -> None:
    with pytest.raises(ImageTooLarge, match="101 bytes"):
        decode(b"x" * 101, DecodeLimits(max_bytes=100))


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(ImageTooLarge, match="30×20"):
        decode(encoded(noise(20, 30), "PNG"), DecodeLimits(max_pixels=599))
    assert decode(encoded(noise(20, 30), "PNG"), DecodeLimits(max_pixels=600))


def test_a_small_file_that_claims_a_huge_picture_is_refused() -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(ImageTooLarge):
        decode(bytes(data))


_VALID = [
    encoded(noise(channels=3), "PNG"),
    encoded(noise(), "JPEG"),
    encoded(noise(channels=3), "TIFF"),
    encoded(noise().astype(np.uint16), "TIFF"),
]


@pytest.mark.filterwarnings("ignore")  # Pillow complains about what is damaged here on purpose
@given(
    st.sampled_from(_VALID),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8),
)
@settings(max_examples=300, deadline=None)
def test_damage_never_raises_anything_but_a_typed_error(
    data: bytes, damage: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for position, value in damage:
        damaged[position % len(damaged)] = value
    try:
        pixels = decode(bytes(damaged)).pixels
    except VigieError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim in (2, 3)


def test_reading_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    decode(_VALID[0])
    assert list(tmp_path.iterdir()) == []
