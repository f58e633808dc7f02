import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluation.selective import confidence_cut, selective_risk

answers = st.lists(st.tuples(st.floats(0.2, 1), st.booleans()), min_size=1, max_size=60).map(
    lambda pairs: (np.array([c for c, _ in pairs]), np.array([r for _, r in pairs]))
)


@given(answers, st.floats(0, 0.5))
def test_the_cut_keeps_the_risk_and_refers_least(found, risk):
    confidence, right = found
    cut = confidence_cut(confidence, right, risk=risk)
    kept = confidence >= cut
    if cut < 1:
        assert np.mean(~right[kept]) <= risk
    for lower in np.unique(confidence[confidence < cut]):
        wider = confidence >= lower
        assert np.mean(~right[wider]) > risk


def test_a_perfect_model_refers_nothing():
    assert confidence_cut(np.array([0.5, 0.9]), np.array([True, True]), risk=0.0) == 0.0


def test_a_model_that_is_surest_where_it_is_wrong_refers_everything():
    assert confidence_cut(np.array([0.9, 0.5]), np.array([False, True]), risk=0.1) == 1.0


def test_the_cut_lies_midway_between_the_answers_it_parts():
    confidence = np.array([0.9, 0.8, 0.6, 0.5])
    right = np.array([True, True, False, False])
    assert confidence_cut(confidence, right, risk=0.0) == pytest.approx(0.7)


@given(answers)
def test_the_curve_ends_at_full_coverage_with_the_share_wrong(found):
    confidence, right = found
    risk = selective_risk(confidence, right)
    assert risk.points[-1].coverage == 1.0
    assert risk.points[-1].risk == pytest.approx(float(np.mean(~right)))
    coverage = [point.coverage for point in risk.points]
    assert coverage == sorted(coverage)
    assert 0 <= risk.area <= 1


def test_the_area_rewards_knowing_where_one_is_wrong():
    confidence, right = np.linspace(1, 0.4, 100), np.arange(100) < 80
    knowing = selective_risk(confidence, right).area
    guessing = selective_risk(confidence, np.random.default_rng(0).permutation(right)).area
    # All of 80 right first: the risk is 0 until there, then rises to 0.2.
    assert knowing == pytest.approx(sum((k - 80) / k for k in range(81, 101)) / 100)
    assert knowing < guessing / 5
