import numpy as np
import pytest

from ml.evaluation.parity import parity_evidence

TRUTH = np.array([0, 0, 1, 1, 2, 2, 2, 2])


def test_flips_and_lost_critical_answers_are_counted():
    served = np.array([0, 1, 1, 1, 2, 2, 2, 1])
    evidence = parity_evidence(TRUTH, served, TRUTH, critical=2)
    assert evidence.flip_rate == pytest.approx(2 / 8)
    assert evidence.critical_sensitivity_loss == pytest.approx(1 / 4)
    assert evidence.n == 8


def test_a_critical_answer_gained_is_a_negative_loss():
    floats = np.array([0, 0, 1, 1, 2, 2, 2, 1])
    assert parity_evidence(floats, TRUTH, TRUTH, critical=2).critical_sensitivity_loss == -0.25


def test_without_images_there_is_no_evidence():
    with pytest.raises(ValueError, match="needs images"):
        parity_evidence(TRUTH[:0], TRUTH[:0], TRUTH[:0], critical=2)
