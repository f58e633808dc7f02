import pandas as pd

from ml.monitoring.sample import Sample, drawn
from tests.unit.monitoring.conftest import make_window

WINDOW = make_window(1000, seed=0)


def sampled(frame, limit):
    sample = Sample(limit, len(frame))
    for start in range(0, len(frame), 130):
        sample.add(frame.iloc[start : start + 130])
    return sample.frame()


def test_a_window_that_fits_is_kept_whole():
    pd.testing.assert_frame_equal(sampled(WINDOW, 1000), WINDOW)


def test_no_more_is_kept_than_was_asked_for():
    assert 60 <= len(sampled(WINDOW, 100)) <= 100


def test_the_same_images_are_chosen_in_any_order():
    one = sampled(WINDOW, 300)
    other = sampled(WINDOW.sample(frac=1, random_state=1), 300)
    assert len(set(one["request_id"]) & set(other["request_id"])) > 0.9 * len(one)


def test_nothing_seen_is_an_empty_sample():
    assert Sample(10, 0).frame().empty


def test_rows_are_drawn_without_repeats_and_the_same_each_time():
    rows = drawn(WINDOW, 50)
    assert rows["request_id"].is_unique
    pd.testing.assert_frame_equal(rows, drawn(WINDOW, 50))
    assert len(drawn(WINDOW, 5000)) == 1000
