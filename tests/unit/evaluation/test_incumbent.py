import numpy as np
import pandas as pd
import pytest

from ml.evaluation.gates_incumbent import incumbent_gates
from ml.evaluation.incumbent import compare_to_incumbent

LABELS = ["normal", "benign", "malignant"]
TRUTH = np.repeat([0, 1, 2], [200, 300, 100])
GROUPS = np.arange(600) // 2
SLICES = pd.DataFrame({"site": ["north"] * 300 + ["south"] * 290 + ["east"] * 10})


def answers(*, wrong):
    given = TRUTH.copy()
    given[list(wrong)] = (given[list(wrong)] + 1) % 3
    return given


def compared(challenger, incumbent, truth=TRUTH):
    return compare_to_incumbent(
        challenger,
        incumbent,
        truth,
        GROUPS[: len(truth)],
        SLICES[: len(truth)],
        label_names=LABELS,
        critical_label="malignant",
        version="3",
    )


def verdicts(comparison, params):
    return {
        result.name.removeprefix("non_inferior_"): result.verdict
        for result in incumbent_gates(comparison, params.gates, confidence=0.99)
    }


def refused(comparison, params):
    return [name for name, verdict in verdicts(comparison, params).items() if verdict == "refuse"]


def test_a_challenger_with_the_same_answers_is_not_inferior(params):
    incumbent = answers(wrong=[3, 220, 550])
    comparison = compared(incumbent, incumbent)
    assert comparison.accuracy.estimate == 0.0
    assert refused(comparison, params) == []


def test_a_challenger_that_misses_ten_points_more_critical_images_is_refused(params):
    comparison = compared(answers(wrong=range(500, 520, 2)), TRUTH)
    assert comparison.sensitivity["malignant"].estimate == pytest.approx(-10 / 100)
    assert refused(comparison, params) == ["critical_sensitivity"]


def test_a_challenger_that_is_worse_on_one_other_label_is_refused(params):
    comparison = compared(answers(wrong=range(0, 40, 2)), answers(wrong=range(201, 241, 2)))
    assert comparison.accuracy.estimate == 0.0
    assert refused(comparison, params) == ["classes"]


def test_a_challenger_that_is_five_points_less_accurate_is_refused(params):
    wrong = [*range(0, 30, 2), *range(200, 230, 2)]
    comparison = compared(answers(wrong=wrong), TRUTH)
    assert comparison.accuracy.estimate == pytest.approx(-0.05)
    assert "accuracy" in refused(comparison, params)


def test_a_challenger_that_is_worse_at_one_site_is_refused(params):
    south = [*range(300, 380, 2)]
    north = [*range(210, 290, 2)]
    comparison = compared(answers(wrong=south), answers(wrong=north))
    assert refused(comparison, params) == ["slices"]


def test_a_slice_too_small_to_judge_is_named_and_not_judged(params):
    comparison = compared(answers(wrong=range(590, 600)), TRUTH)
    results = incumbent_gates(comparison, params.gates, confidence=0.99)
    sizes = next(result for result in results if result.name == "slice_sizes")
    assert sizes.verdict == "insufficient"
    assert not sizes.refuses
    assert "site east (n = 10)" in sizes.evidence
    assert verdicts(comparison, params)["slices"] == "pass"


def test_a_better_challenger_passes(params):
    comparison = compared(TRUTH, answers(wrong=[10, 220, 230, 550]))
    assert comparison.accuracy.estimate > 0
    assert refused(comparison, params) == []


def test_without_critical_images_their_comparison_is_missing_and_does_not_pass(params):
    truth = np.ones(600, dtype=np.int64)
    found = verdicts(compared(truth, truth, truth), params)
    assert found["accuracy"] == found["classes"] == "pass"
    assert found["critical_sensitivity"] == "insufficient"
