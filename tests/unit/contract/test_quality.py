import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ml.contract.quality import STATISTIC_NAMES, ImageStatistics, measure

_SIDES = st.integers(1, 40)
_IMAGES = st.one_of(
    arrays.arrays(np.uint8, st.tuples(_SIDES, _SIDES)),
    arrays.arrays(np.uint8, st.tuples(_SIDES, _SIDES, st.just(3))),
)


def speckle(height: int = 200, width: int = 160) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)


@given(_IMAGES)
def test_every_statistic_stays_within_its_range(pixels: np.ndarray) -> None:
    measured = measure(pixels)
    assert (measured.height, measured.width) == pixels.shape[:2]
    assert 0 <= measured.mean <= 255
    assert 0 <= measured.std <= 127.5
    assert 0 <= measured.contrast <= 255
    assert -1e-9 <= measured.entropy <= 8
    assert measured.sharpness >= 0
    assert 0 <= measured.black_share + measured.white_share <= 1 + 1e-9
    assert measured.colourfulness >= 0
    assert 0 <= measured.border_share <= 1
    assert measured.aspect >= 1


@given(st.integers(0, 255))
def test_a_flat_image_has_its_level_and_nothing_else(level: int) -> None:
    measured = measure(np.full((50, 60), level, np.uint8))
    assert measured.mean == level
    assert measured.std == measured.contrast == measured.entropy == measured.sharpness == 0


def test_black_and_white_are_counted() -> None:
    pixels = np.full((100, 100), 128, np.uint8)
    pixels[:25], pixels[-10:] = 0, 255
    measured = measure(pixels)
    assert measured.black_share == pytest.approx(0.25)
    assert measured.white_share == pytest.approx(0.10)


def test_noise_is_sharper_than_its_blur() -> None:
    blurred = np.asarray(Image.fromarray(speckle()).resize((20, 25)).resize((160, 200)))
    assert measure(speckle()).sharpness > 10 * measure(blurred).sharpness


def test_only_colour_is_colourful() -> None:
    red = np.zeros((20, 20, 3), np.uint8)
    red[..., 0] = 200
    assert measure(red).colourfulness == 100
    assert measure(np.repeat(speckle()[..., np.newaxis], 3, axis=2)).colourfulness == 0
    assert measure(speckle()).colourfulness == 0


def test_scale_matters_little() -> None:
    rows, columns = np.mgrid[:240, :200]
    picture = (127 + 80 * np.sin(rows / 20) * np.cos(columns / 17)).astype(np.uint8)
    doubled = picture.repeat(3, axis=0).repeat(3, axis=1)
    small, large = measure(picture), measure(doubled)
    assert large.mean == pytest.approx(small.mean, rel=0.02)
    assert large.contrast == pytest.approx(small.contrast, rel=0.05)
    assert (large.width, large.height) == (600, 720)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_frame_of_any_level_is_measured_though_compression_ruffled_it(level: int) -> None:
    pixels = np.full((120, 100), level, np.uint8)
    pixels[30:90, 20:80] = speckle(60, 60)
    ruffled = pixels.astype(np.int16)
    ruffled[::2, ::2] += 4 if level < 255 else -4
    for image in (pixels, ruffled.clip(0, 255).astype(np.uint8)):
        assert measure(image).border_share == pytest.approx(1 - 60 * 60 / (120 * 100))


def test_bars_of_two_levels_are_one_frame() -> None:
    pixels = speckle(100, 100)
    pixels[:20] = 0
    pixels[20:, :50] = 255
    assert measure(pixels).border_share == pytest.approx(1 - 80 * 50 / 100**2)


def test_stripes_are_no_frame() -> None:
    stripes = np.repeat(np.linspace(0, 250, 10, dtype=np.uint8), 10)[:, np.newaxis]
    assert measure(np.repeat(stripes, 100, axis=1)).border_share == pytest.approx(0.2)


def test_pictures_without_a_frame_have_none_and_blank_ones_nothing_else() -> None:
    assert measure(speckle()).border_share == 0
    assert measure(np.full((50, 60), 7, np.uint8)).border_share == 1


@pytest.mark.parametrize(("shape", "aspect"), [((100, 50), 2), ((50, 100), 2), ((60, 60), 1)])
def test_the_aspect_is_that_of_the_longer_side(shape: tuple[int, int], aspect: float) -> None:
    assert measure(np.zeros(shape, np.uint8)).aspect == aspect


def test_statistics_from_before_the_frame_was_measured_stay_readable() -> None:
    old = measure(speckle()).model_dump()
    del old["border_share"]
    assert ImageStatistics.model_validate(old).border_share is None


def test_the_drift_statistics_exist() -> None:
    assert set(STATISTIC_NAMES) <= set(ImageStatistics.model_fields)


@given(arrays.arrays(np.uint8, st.tuples(_SIDES, _SIDES)))
def test_statistics_of_levels_are_those_of_the_pixels(pixels):
    measured = measure(pixels)
    low, high = np.percentile(pixels, (1, 99))
    assert measured.contrast == pytest.approx(high - low, abs=1e-9)
    assert measured.mean == pytest.approx(pixels.mean(), abs=1e-9)
    assert measured.std == pytest.approx(pixels.std(), abs=1e-9)
