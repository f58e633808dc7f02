import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.contract.bundle import InputSpec
from ml.contract.preprocessing import to_grid, to_input

GREY = InputSpec(height=32, width=48, channels=1)
COLOUR = InputSpec(height=32, width=48, channels=3)

_SIDES = st.integers(1, 40)
_IMAGES = st.one_of(
    arrays.arrays(np.uint8, st.tuples(_SIDES, _SIDES)),
    arrays.arrays(np.uint8, st.tuples(_SIDES, _SIDES, st.just(3))),
)


@given(_IMAGES, st.sampled_from([GREY, COLOUR]))
def test_any_image_becomes_the_models_grid(pixels: np.ndarray, spec: InputSpec) -> None:
    grid = to_grid(pixels, spec)
    assert grid.shape == (32, 48, spec.channels)
    assert grid.dtype == np.uint8


@given(_IMAGES)
def test_the_input_lies_between_minus_one_and_one(pixels: np.ndarray) -> None:
    batch = to_input(to_grid(pixels, GREY))
    assert batch.dtype == np.float32
    assert batch.min() >= -1
    assert batch.max() <= 1


def test_black_is_minus_one_and_white_is_one() -> None:
    assert to_input(np.array([0, 255], np.uint8)).tolist() == [-1, 1]


@given(arrays.arrays(np.uint8, st.just((32, 48))))
def test_an_image_of_the_grids_size_is_not_resampled(pixels: np.ndarray) -> None:
    assert np.array_equal(to_grid(pixels, GREY)[..., 0], pixels)


@given(st.integers(0, 255), _SIDES, _SIDES)
def test_a_flat_image_stays_flat(level: int, height: int, width: int) -> None:
    assert (to_grid(np.full((height, width), level, np.uint8), GREY) == level).all()


def test_grey_fills_all_three_channels() -> None:
    pixels = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48).astype(np.uint8)
    grid = to_grid(pixels, COLOUR)
    assert np.array_equal(grid[..., 0], grid[..., 2])


@pytest.mark.parametrize(
    ("colour", "luma"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)]
)
def test_colour_becomes_luma(colour: tuple[int, int, int], luma: int) -> None:
    pixels = np.full((10, 10, 3), colour, np.uint8)
    assert (to_grid(pixels, GREY) == luma).all()


def test_fine_stripes_are_averaged_rather_than_picked() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (320, 240))
    grid = to_grid(stripes, GREY).astype(int)
    assert np.abs(grid[2:-2, 2:-2] - 127).max() <= 12
