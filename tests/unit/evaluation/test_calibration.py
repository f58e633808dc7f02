import numpy as np
import pytest

from ml.evaluation.calibration import expected_calibration_error, reliability_curve


def answers(confidence, right, n=100):
    probabilities = np.tile([confidence, 1 - confidence], (n, 1))
    truth = (np.arange(n) >= right * n).astype(np.int64)
    return probabilities, truth


def test_probabilities_that_mean_what_they_say_have_no_error():
    assert expected_calibration_error(*answers(0.8, 0.8)) == pytest.approx(0.0)


def test_overconfidence_is_the_gap_between_confidence_and_share_right():
    assert expected_calibration_error(*answers(0.95, 0.6)) == pytest.approx(0.35)


def test_the_error_is_the_weighted_gap_of_the_reliability_curve():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], 400)
    truth = rng.integers(0, 3, 400)
    curve = reliability_curve(probabilities, truth)
    gap = sum(part.n * abs(part.confidence - part.accuracy) for part in curve) / 400
    assert expected_calibration_error(probabilities, truth) == pytest.approx(gap)
    assert sum(part.n for part in curve) == 400


def test_bins_hold_their_upper_edge():
    (only,) = reliability_curve(*answers(0.8, 0.5))
    assert (only.lower, only.upper) == (0.7, 0.8)
    (top,) = reliability_curve(*answers(1.0, 1.0))
    assert top.upper == 1.0
