import numpy as np
import pytest

from ml.pacs.picture import draw_finding
from tests.unit.pacs.findings import PIXELS, finding, header, heat_map

ORANGE = (255, 176, 0)


def draw(pixels, **options):
    heat = options.pop("heat", None)
    found = finding(header(), heat=heat).model_copy(update=options)
    return draw_finding(pixels, found, of="series 3, image 1")


def rows_of(picture, colour) -> list[int]:
    """Rows in which text of this colour stands."""
    near = np.abs(picture.astype(int) - colour).sum(axis=2) < 60
    return np.flatnonzero(near.any(axis=1)).tolist()


def test_a_small_image_is_enlarged_to_carry_the_text():
    picture = draw(PIXELS)
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 360
    assert picture.shape[0] > 270  # the image's 3 : 4, and the text


def test_a_large_image_is_reduced_to_what_a_screen_shows():
    assert draw(np.full((3000, 2000), 90, np.uint8)).shape[1] == 512
    assert draw(np.full((900, 4000), 90, np.uint8)).shape[1] == 768


@pytest.mark.parametrize("shape", [(400, 500), (400, 500, 3)])
def test_an_image_of_a_screen_s_size_keeps_its_pixels_beside_its_heat_map(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    picture = draw(pixels, heat=heat_map())
    assert picture.shape[1] == 1008
    left = picture[:, :500, 0]
    top = next(row for row in range(left.shape[0]) if np.array_equal(left[row], grey[0]))
    np.testing.assert_array_equal(left[top : top + 400], grey)


def test_the_heat_map_colours_what_it_covers_and_nothing_else():
    picture = draw(np.full((400, 500), 100, np.uint8), heat=heat_map()).astype(int)
    middle = picture.shape[0] // 2
    untouched, hot, cold = (picture[middle, column] for column in (250, 600, 950))
    assert hot[0] > hot[1] + 30
    for plain in (untouched, cold):
        assert plain.tolist() == [100] * 3


def test_the_warning_stands_above_and_below():
    picture = draw(PIXELS)
    rows = rows_of(picture, ORANGE)
    assert min(rows) < 40
    assert max(rows) > picture.shape[0] - 40


def test_the_middle_carries_the_text_and_the_corners_are_left_to_the_viewer():
    picture = draw(PIXELS, reasons=[])
    assert picture[:60, :60].max() == 0
    assert picture[:60, -60:].max() == 0


def test_long_reasons_make_the_banner_higher_and_not_wider():
    few, many = draw(PIXELS, reasons=[]), draw(PIXELS, reasons=["unlike the images it knows"] * 6)
    assert many.shape[1] == few.shape[1]
    assert many.shape[0] > few.shape[0] + 40
    assert many[:, [0, -1]][: many.shape[0] - 300].max() == 0
