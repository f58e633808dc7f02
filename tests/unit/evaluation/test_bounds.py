import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, norm

from ml.evaluation.bounds import (
    difference_lower,
    estimate_difference,
    estimate_share,
    jackknife_variance,
    mean_upper,
    share_lower,
    totals_by_group,
    typical_size,
)
from ml.evaluation.gate_results import DifferenceEstimate, MeanEstimate, ShareEstimate
from ml.evaluation.intervals import mean_by_group

confidences = st.floats(0.6, 0.9999)


def ratio(sums):
    return sums[..., 0] / sums[..., 1]


def share_of(right, groups):
    cells = totals_by_group(np.column_stack([right, np.ones(len(right))]), groups)
    return estimate_share(ratio, cells, np.array([0.0, typical_size(groups)]), len(right))


def patients(rng, count, *, icc, images=3):
    """Latent difficulty of images, part of it their patient's."""
    groups = np.repeat(np.arange(count), images)
    latent = np.sqrt(icc) * rng.normal(size=count)[groups]
    return groups, latent + np.sqrt(1 - icc) * rng.normal(size=len(groups))


def test_totals_are_sums_within_groups():
    totals = totals_by_group(np.array([[1, 1], [0, 1], [1, 1]]), np.array(["b", "a", "b"]))
    assert totals.tolist() == [[0, 1], [2, 2]]


def test_the_typical_group_is_that_of_a_typical_image():
    assert typical_size(np.array(["a", "b", "b", "b"])) == pytest.approx((1 + 9) / 4)


def test_the_jackknife_is_the_variance_that_the_group_bootstrap_converges_to():
    rng = np.random.default_rng(0)
    groups, latent = patients(rng, 120, icc=0.5)
    right = latent < 0.8
    cells = totals_by_group(np.column_stack([right, np.ones(len(right))]), groups)
    interval = mean_by_group(right, groups, rounds=20000, confidence=0.6827, seed=1)
    assert np.sqrt(jackknife_variance(ratio, cells)) == pytest.approx(
        (interval.upper - interval.lower) / 2, rel=0.05
    )


@given(st.integers(20, 300), st.integers(0, 10), confidences)
def test_with_many_independent_images_the_bound_is_clopper_and_pearsons(n, wrong, confidence):
    share = ShareEstimate(estimate=1 - wrong / n, effective_n=n, n=n, groups=10**9)
    exact = beta.ppf(1 - confidence, n - wrong, wrong + 1)
    assert share_lower(share, confidence) == pytest.approx(exact, abs=1e-6)


@given(st.floats(0, 1), st.floats(2, 500), st.integers(2, 500), confidences, confidences)
def test_more_confidence_lowers_the_bound(share, worth, groups, first, second):
    found = ShareEstimate(estimate=share, effective_n=worth, n=500, groups=groups)
    low, high = sorted([first, second])
    assert 0 <= share_lower(found, high) <= share_lower(found, low) + 1e-9
    assert share_lower(found, low) <= share


def test_images_that_err_together_are_worth_their_patients():
    rng = np.random.default_rng(3)
    groups, latent = patients(rng, 200, icc=1.0, images=5)
    alike = share_of(latent < 1, groups)
    groups, latent = patients(rng, 200, icc=0.0, images=5)
    independent = share_of(latent < 1, groups)
    assert alike.effective_n == pytest.approx(200, rel=0.2)
    assert independent.effective_n > 700


def test_without_errors_images_of_one_patient_count_about_as_one():
    groups = np.repeat(np.arange(26), 4)
    share = share_of(np.ones(104, dtype=bool), groups)
    assert share.estimate == 1.0
    assert share.effective_n == pytest.approx(27, abs=1)


def test_one_group_proves_nothing():
    lonely = share_of(np.ones(50, dtype=bool), np.zeros(50))
    assert share_lower(lonely, 0.9) == 0.0
    wins = np.zeros(50, dtype=bool)
    assert difference_lower(estimate_difference(wins, wins, np.zeros(50)), 0.9) == -1.0
    assert mean_upper(MeanEstimate(estimate=0, standard_error=0.1, n=9, groups=1), 0.9) == np.inf


def test_a_difference_has_tangos_published_bound():
    # Tango 1998, table III: of 44 pairs 0 and 1 discordant; 95 % interval −0.118 to 0.061.
    found = DifferenceEstimate(wins=0, losses=1 / 44, effective_n=44, n=44, groups=10**9)
    assert difference_lower(found, 0.975) == pytest.approx(-0.118, abs=1e-3)


@given(st.integers(30, 400), confidences)
def test_without_any_difference_the_bound_is_wilsons_of_no_loss(n, confidence):
    found = DifferenceEstimate(wins=0, losses=0, effective_n=n, n=n, groups=10**9)
    squared = norm.ppf(confidence) ** 2
    assert difference_lower(found, confidence) == pytest.approx(-squared / (n + squared), abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.3), st.floats(0, 0.3), st.integers(10, 400), confidences)
def test_the_bound_of_a_difference_lies_under_it_and_above_minus_one(wins, losses, n, confidence):
    found = DifferenceEstimate(wins=wins, losses=losses, effective_n=n, n=n, groups=n)
    assert -1 <= difference_lower(found, confidence) <= found.estimate + 1e-9


@pytest.mark.parametrize("icc", [0.0, 0.4, 0.9])
def test_a_model_at_the_floor_passes_it_no_more_often_than_allowed(icc):
    rng = np.random.default_rng(11)
    passed = 0
    for _ in range(400):
        groups, latent = patients(rng, 40, icc=icc)
        passed += share_lower(share_of(latent < norm.ppf(0.8), groups), 0.95) >= 0.8
    assert passed / 400 <= 0.06


def test_a_model_worse_by_the_margin_passes_it_no_more_often_than_allowed():
    rng = np.random.default_rng(12)
    passed = 0
    for _ in range(400):
        groups, shared = patients(rng, 40, icc=0.4)
        _, own = patients(rng, 40, icc=0.4)
        incumbent = shared < norm.ppf(0.95)
        challenger = 0.7 * shared + np.sqrt(0.51) * own < norm.ppf(0.83)
        found = estimate_difference(challenger & ~incumbent, incumbent & ~challenger, groups)
        passed += difference_lower(found, 0.95) >= -0.12
    assert passed / 400 <= 0.06


def test_nothing_measured_is_an_error():
    none = np.zeros(0, dtype=bool)
    with pytest.raises(ValueError, match="undefined"):
        estimate_share(ratio, np.zeros((0, 2)), np.zeros(2), 0)
    with pytest.raises(ValueError, match="needs images"):
        estimate_difference(none, none, np.zeros(0))
