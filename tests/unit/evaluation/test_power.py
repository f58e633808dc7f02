import numpy as np
import pytest
from scipy.stats import beta

from ml.evaluation.gate_results import ShareEstimate
from ml.evaluation.power import images_needed, power, sufficiency


def share(n):
    return ShareEstimate(estimate=0.9, effective_n=n, n=n, groups=10**6)


def judged(n, **changes):
    values = {"floor": 0.8, "confidence": 0.95, "expected": 0.95}
    return sufficiency("malignant sensitivity", share(n), **(values | changes))


def test_too_few_images_cannot_pass_even_if_all_are_right():
    # All right of n has the lower bound 0.05 ** (1 / n): 14 images are needed for 0.80.
    assert judged(13).perfect_lower == pytest.approx(0.05 ** (1 / 13), abs=1e-6)
    assert judged(13).power == 0.0
    assert not judged(13).decides
    assert judged(14).perfect_lower > 0.8


def test_enough_images_decide():
    assert judged(200).decides
    assert judged(200).power > 0.99


def test_power_is_the_chance_of_few_enough_errors():
    rng = np.random.default_rng(0)
    wrong = rng.binomial(60, 0.05, 20000)
    passes = beta.ppf(0.05, 60 - wrong, wrong + 1) >= 0.8
    found = power(60, floor=0.8, confidence=0.95, expected=0.95)
    assert found == pytest.approx(passes.mean(), abs=0.01)


def test_the_number_needed_has_the_power_and_fewer_have_not():
    settings = {"floor": 0.8, "confidence": 0.997, "expected": 0.95}
    needed = images_needed(**settings, wanted_power=0.8)
    assert power(needed, **settings) >= 0.8
    assert power(needed - 12, **settings) < 0.8


def test_a_model_that_is_expected_under_the_floor_needs_no_number():
    assert judged(100, expected=0.8).needed is None
    assert not judged(100, expected=0.8).decides


def test_the_published_numbers_of_malignant_cases():
    # Wilson's two-sided 95 % bound of 0.90 takes 137 cases at 95 %; power moves in steps.
    cases = images_needed(floor=0.90, confidence=0.975, expected=0.95, wanted_power=0.5)
    assert 120 <= cases <= 160
