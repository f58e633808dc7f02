import numpy as np
import pytest

from ml.evaluation.gates_incumbent import incumbent_gates
from ml.evaluation.incumbent import compare_to_incumbent

TRUTH = np.repeat([0, 1, 2], [100, 195, 35])
GROUPS = np.arange(330) // 2
CRITICAL = 2


def answers(*, wrong):
    given = TRUTH.copy()
    given[list(wrong)] = (given[list(wrong)] + 1) % 3
    return given


def compared(challenger, incumbent, params):
    return compare_to_incumbent(
        challenger,
        incumbent,
        TRUTH,
        GROUPS,
        critical=CRITICAL,
        version="3",
        params=params.evaluation,
    )


def verdicts(comparison, params):
    return [result.verdict for result in incumbent_gates(comparison, params.gates)]


def test_a_challenger_with_the_same_answers_is_not_inferior(params):
    incumbent = answers(wrong=[3, 120, 300])
    comparison = compared(incumbent, incumbent, params)
    assert comparison.accuracy_difference.estimate == 0.0
    assert verdicts(comparison, params) == ["pass", "pass"]


def test_a_challenger_that_misses_ten_points_more_critical_images_is_refused(params):
    comparison = compared(answers(wrong=[300, 305, 310, 315]), TRUTH, params)
    assert comparison.critical_sensitivity_difference.estimate == pytest.approx(-4 / 35)
    assert verdicts(comparison, params)[1] == "refuse"


def test_a_challenger_that_is_five_points_less_accurate_is_refused(params):
    comparison = compared(answers(wrong=range(0, 34, 2)), answers(wrong=[200]), params)
    assert comparison.accuracy_difference.estimate == pytest.approx(-16 / 330)
    assert verdicts(comparison, params) == ["refuse", "pass"]


def test_a_better_challenger_passes(params):
    comparison = compared(TRUTH, answers(wrong=[10, 20, 30, 300]), params)
    assert comparison.accuracy_difference.estimate > 0
    assert verdicts(comparison, params) == ["pass", "pass"]


def test_without_critical_images_their_comparison_is_missing_and_does_not_pass(params):
    truth = np.zeros(50, dtype=np.int64)
    comparison = compare_to_incumbent(
        truth,
        truth,
        truth,
        np.arange(50),
        critical=CRITICAL,
        version="3",
        params=params.evaluation,
    )
    assert verdicts(comparison, params) == ["pass", "insufficient"]


def test_the_lower_bound_is_one_sided(params):
    rng = np.random.default_rng(0)
    incumbent = answers(wrong=rng.choice(330, 20, replace=False))
    difference = compared(TRUTH, incumbent, params).accuracy_difference
    # 20 of 330: the one-sided 95 % bound lies 1.645 standard errors down, not 1.96.
    error = np.sqrt(20 / 330 * (1 - 20 / 330) / 330)
    assert difference.lower == pytest.approx(20 / 330 - 1.645 * error, abs=0.3 * error)
