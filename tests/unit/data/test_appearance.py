import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ml.contract.decoding import Pixels
from ml.data.appearance import DESCRIPTOR_BYTES, appearance, cropped, mirrored
from ml.data.phantoms import SCANNERS, render_phantom


def _phantom(seed: int) -> Pixels:
    return render_phantom("benign", np.random.default_rng(seed), SCANNERS[0])


def _descriptor(pixels: Pixels) -> np.ndarray:
    return np.frombuffer(appearance(pixels).descriptor, np.int8)


def _similarity(one: np.ndarray, other: np.ndarray) -> float:
    first, second = one.astype(float), other.astype(float)
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.parametrize("seed", range(5))
def test_a_resized_or_brightened_copy_keeps_its_hash(seed: int) -> None:
    pixels = _phantom(seed)
    resized = np.asarray(Image.fromarray(pixels).resize((150, 140), Image.Resampling.BILINEAR))
    brighter = np.clip(pixels.astype(np.int64) + 10, 0, 255).astype(np.uint8)
    for copy in (resized, brighter):
        assert (appearance(pixels).phash ^ appearance(copy).phash).bit_count() <= 4


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_keeps_its_descriptor(seed: int) -> None:
    pixels = _phantom(seed)
    height, width = pixels.shape
    compressed = io.BytesIO()
    Image.fromarray(pixels).save(compressed, "JPEG", quality=30)
    copies = [
        np.asarray(Image.open(compressed)),
        pixels[height // 50 : -height // 50, width // 50 : -width // 50],
        (pixels * 0.6 + 40).astype(np.uint8),
    ]
    for copy in copies:
        assert _similarity(_descriptor(pixels), _descriptor(copy)) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_mirroring_the_descriptor_is_mirroring_the_image(seed: int) -> None:
    pixels = _phantom(seed)
    flipped = _descriptor(np.ascontiguousarray(pixels[:, ::-1]))
    np.testing.assert_allclose(mirrored(_descriptor(pixels)), flipped, atol=1)
    assert _similarity(_descriptor(pixels), flipped) < 0.9


@pytest.mark.parametrize("seed", range(5))
def test_cropping_the_descriptor_is_nearly_cropping_the_image(seed: int) -> None:
    pixels = _phantom(seed)
    top, left = (round(0.05 * side) for side in pixels.shape)
    inner = _descriptor(pixels[top:-top, left:-left])
    whole = _descriptor(pixels)
    (guessed,) = cropped(whole[np.newaxis])
    assert _similarity(whole, inner) < 0.93
    assert _similarity(guessed, inner) > max(0.88, _similarity(whole, inner) + 0.01)


@given(level=st.integers(0, 255), side=st.integers(1, 80))
def test_a_flat_image_has_no_shape(level: int, side: int) -> None:
    flat = np.full((side, side), level, np.uint8)
    assert appearance(flat).descriptor == bytes(DESCRIPTOR_BYTES)


def test_colour_and_grey_of_the_same_picture_look_the_same() -> None:
    pixels = _phantom(1)
    assert appearance(np.repeat(pixels[..., None], 3, axis=2)) == appearance(pixels)
