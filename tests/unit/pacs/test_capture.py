import numpy as np
import pytest

from ml.pacs.capture import build_capture, draw_finding
from tests.unit.pacs.findings import PIXELS, finding, header, heat_map


def test_a_small_image_is_enlarged_to_carry_the_text():
    picture = draw_finding(PIXELS, finding(header()))
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 360
    assert picture.shape[0] > 270  # the image's 3 : 4, and the banner


@pytest.mark.parametrize("shape", [(400, 500), (400, 500, 3)])
def test_a_large_image_keeps_its_pixels_below_the_banner(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    picture = draw_finding(pixels, finding(header()))
    below = picture[-400:, :, 0]
    np.testing.assert_array_equal(below, pixels if pixels.ndim == 2 else pixels[..., 0])


def test_the_heat_map_colours_what_it_covers_and_nothing_else():
    pixels = np.full((400, 500), 100, np.uint8)
    picture = draw_finding(pixels, finding(header(), heat=heat_map())).astype(int)
    left, right = picture[-200, 100], picture[-200, 450]
    assert left[0] > left[1] + 30
    assert right[0] == right[1] == right[2] == 100


def test_the_capture_says_nothing_of_orientation_that_the_image_does_not_say():
    source = header()
    capture = build_capture(source, PIXELS, finding(source), number=1)
    assert not capture.PatientOrientation
    assert capture.StudyInstanceUID == source.StudyInstanceUID
    assert "vigie 7" in capture.DerivationDescription


@pytest.mark.parametrize("told", ["YES", "NO", None])
def test_the_capture_says_of_burned_in_annotation_what_the_image_says(told):
    source = header()
    if told:
        source.BurnedInAnnotation = told
    capture = build_capture(source, PIXELS, finding(source), number=1)
    assert capture.get("BurnedInAnnotation") == told


def test_the_same_image_gives_the_same_capture():
    source = header()
    first, second = (build_capture(source, PIXELS, finding(source), number=1) for _ in range(2))
    assert first.SOPInstanceUID == second.SOPInstanceUID
