import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.evaluation.intervals import bootstrap_by_group, mean_by_group, share_by_group, wilson
from ml.evaluation.metrics import macro_f1

counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.floats(0.51, 0.999)


@given(counts, confidences)
def test_wilson_bounds_lie_in_0_to_1_and_contain_the_estimate(count, confidence):
    interval = wilson(*count, confidence)
    assert 0 <= interval.lower <= interval.estimate <= interval.upper <= 1


@given(counts, st.integers(2, 20), confidences)
def test_wilson_bounds_shrink_with_more_images_of_the_same_share(count, factor, confidence):
    successes, n = count
    small, large = (
        wilson(successes, n, confidence),
        wilson(factor * successes, factor * n, confidence),
    )
    assert large.upper - large.lower < small.upper - small.lower


@given(counts)
def test_wilson_bounds_widen_with_confidence(count):
    assert wilson(*count, 0.99).lower <= wilson(*count, 0.9).lower


def test_wilson_agrees_with_the_published_example():
    # Newcombe 1998, table I: 81 of 263.
    interval = wilson(81, 263, 0.95)
    assert (interval.lower, interval.upper) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_wilson_refuses_what_is_not_a_share(successes, n):
    with pytest.raises(ValueError, match="not a share"):
        wilson(successes, n, 0.95)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_bootstrap_is_determined_by_its_seed(seed):
    values, groups = np.random.default_rng(1).normal(size=30), np.repeat(np.arange(10), 3)

    def run(chosen):
        return bootstrap_by_group(np.mean, groups, values, rounds=100, confidence=0.9, seed=chosen)

    assert run(seed) == run(seed)
    assert run(seed) != run(seed + 1)


def test_images_of_one_patient_do_not_count_as_independent():
    rng = np.random.default_rng(0)
    patient_right = rng.random(60) < 0.8
    hits, groups = np.repeat(patient_right, 5), np.repeat(np.arange(60), 5)
    settings_ = {"rounds": 1000, "confidence": 0.95, "seed": 1}
    by_patient = mean_by_group(hits, groups, **settings_)
    by_image = mean_by_group(hits, np.arange(300), **settings_)
    assert by_patient.upper - by_patient.lower > 1.8 * (by_image.upper - by_image.lower)


def test_the_vectorised_mean_agrees_with_the_general_bootstrap():
    rng = np.random.default_rng(3)
    values, groups = rng.normal(size=200), rng.integers(0, 70, 200)
    settings_ = {"rounds": 3000, "confidence": 0.9, "seed": 5}
    fast = mean_by_group(values, groups, **settings_)
    slow = bootstrap_by_group(np.mean, groups, values, **settings_)
    assert fast.estimate == pytest.approx(slow.estimate)
    assert (fast.lower, fast.upper) == pytest.approx((slow.lower, slow.upper), abs=0.02)


def test_a_share_without_errors_still_has_a_bound_below_1():
    interval = share_by_group(
        np.ones(35, dtype=bool), np.arange(35), rounds=200, confidence=0.95, seed=0
    )
    assert interval.upper == 1.0
    assert interval.lower == wilson(35, 35, 0.95).lower < 0.91


def test_resamples_on_which_a_statistic_is_undefined_are_left_out():
    def mean_of_positives(values):
        return float(values[values > 0].mean()) if (values > 0).any() else float("nan")

    interval = bootstrap_by_group(
        mean_of_positives,
        np.arange(3),
        np.array([0.0, 0.0, 2.0]),
        rounds=100,
        confidence=0.9,
        seed=0,
    )
    assert interval.lower == interval.upper == 2.0


def test_a_statistic_that_is_never_defined_is_an_error():
    with pytest.raises(ValueError, match="undefined"):
        bootstrap_by_group(
            lambda values: float("nan"), np.arange(3), np.ones(3), rounds=9, confidence=0.9, seed=0
        )


def test_no_images_at_all_is_an_error():
    with pytest.raises(ValueError, match="undefined"):
        bootstrap_by_group(np.mean, np.array([]), np.array([]), rounds=9, confidence=0.9, seed=0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        patients = rng.normal(0.3, 1.0, 60)
        groups = np.repeat(np.arange(60), 3)
        values = patients[groups] + rng.normal(size=180)
        interval = mean_by_group(values, groups, rounds=300, confidence=0.9, seed=0)
        covered += interval.lower <= 0.3 <= interval.upper
    assert 0.84 <= covered / 300 <= 0.95


def test_two_thousand_rounds_on_five_hundred_images_take_seconds():
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 3, 500), rng.integers(0, 3, 500)
    began = time.process_time()
    bootstrap_by_group(
        lambda t, a: macro_f1(t, a, 3),
        np.arange(500) // 3,
        truth,
        answers,
        rounds=2000,
        confidence=0.95,
        seed=0,
    )
    assert time.process_time() - began < 3
