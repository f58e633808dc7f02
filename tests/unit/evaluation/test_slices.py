import pandas as pd

from ml.evaluation.slices import slice_frame


def test_images_without_metadata_are_a_slice_of_their_own():
    rows = pd.DataFrame({"site": ["north", None], "age": [39, None], "patient": ["a", "b"]})
    frame = slice_frame(rows)
    assert list(frame.columns) == ["site", "age_band"]
    assert frame["site"].tolist() == ["north", "unknown"]
    assert frame["age_band"].tolist() == ["0–39", "unknown"]


def test_age_bands_begin_at_their_lower_age():
    frame = slice_frame(pd.DataFrame({"age": [0, 40, 55, 70, 99]}))
    assert frame["age_band"].tolist() == ["0–39", "40–54", "55–69", "70+", "70+"]


def test_image_sizes_are_told_by_the_shorter_side():
    frame = slice_frame(pd.DataFrame({"width": [255, 600, 4000], "height": [900, 512, 3000]}))
    assert frame["image_size"].tolist() == ["under 256 px", "512–1023 px", "1024 px and more"]


def test_a_small_slice_is_counted_but_not_judged(report, params):
    small = [part for part in report.slices if part.n < params.evaluation.min_slice_images]
    assert [part.value for part in small] == ["south"]
    assert small[0].state == "insufficient"
    assert small[0].accuracy is None
    assert small[0].critical_sensitivity is None


def test_the_slices_of_a_dimension_cover_all_images(report):
    for dimension in ("site", "scanner", "sex", "age_band"):
        parts = [part for part in report.slices if part.dimension == dimension]
        assert sum(part.n for part in parts) == report.images
        assert sum(part.critical_n for part in parts) == report.critical_sensitivity.n
