import numpy as np
import pytest

from ml.evaluation.adaptive import compare_to_whole, not_adaptive
from ml.evaluation.gates_adaptive import adaptive_gate
from tests.unit.evaluation.conftest import LABELS, POLICY

CRITICAL = 2
CONFIDENCE = 0.95
NORMAL, SEEN, MALIGNANT = (0.96, 0.02, 0.02), (0.6, 0.05, 0.35), (0.05, 0.05, 0.9)
"""Answers: normal, normal but referred for being close to malignant, malignant."""
DOUBTING = POLICY.model_copy(
    update={"critical_threshold": 0.4, "refer_margin": 0.1, "refer_below": 0.0}
)


def compare(whole, adaptive, truth, groups=None):
    ours, theirs = (np.array(answers).reshape(-1, len(LABELS)) for answers in (adaptive, whole))
    return compare_to_whole(
        ours,
        theirs,
        np.array(truth),
        np.arange(len(truth)) if groups is None else np.array(groups),
        ours[:, CRITICAL] < 0.5,
        first="quick",
        label_names=LABELS,
        policy=DOUBTING,
        cpu_ms=9.0,
        whole_cpu_ms=40.0,
    )


def judge(comparison, params):
    return adaptive_gate(comparison, params.gates, confidence=CONFIDENCE)


def test_the_same_answers_on_enough_critical_images_pass(params):
    truth = [CRITICAL] * 600 + [0] * 1200
    answers = [MALIGNANT] * 600 + [NORMAL] * 1200
    result = judge(compare(answers, answers, truth), params)
    assert result.verdict == "pass"
    assert "quick answers alone on 67% of the images" in result.evidence


def test_the_same_answers_on_few_critical_images_prove_nothing(params):
    truth = [CRITICAL] * 90 + [0] * 800
    answers = [MALIGNANT] * 90 + [NORMAL] * 800
    assert judge(compare(answers, answers, truth), params).verdict == "refuse"


def test_images_of_one_patient_do_not_count_as_many(params):
    answers = [MALIGNANT] * 600
    groups = np.repeat(np.arange(20), 30)
    comparison = compare(answers, answers, [CRITICAL] * 600, groups)
    assert judge(comparison, params).verdict == "refuse"


def test_critical_images_lost_by_answering_alone_refuse(params):
    whole = [MALIGNANT] * 3000
    adaptive = [NORMAL] * 60 + whole[60:]
    result = judge(compare(whole, adaptive, [CRITICAL] * 3000), params)
    assert result.verdict == "refuse"
    assert "-0.020" in result.evidence


def test_critical_images_that_only_all_members_would_refer_refuse(params):
    """No label changes, but nobody looks at them any more."""
    whole = [SEEN] * 60 + [MALIGNANT] * 2940
    adaptive = [NORMAL] * 60 + [MALIGNANT] * 2940
    result = judge(compare(whole, adaptive, [CRITICAL] * 3000), params)
    assert result.verdict == "refuse"
    assert "called so or referred" in result.evidence


def test_too_many_changed_answers_refuse_whatever_their_label(params):
    whole = [MALIGNANT] * 3000 + [NORMAL] * 1000
    adaptive = [MALIGNANT] * 3000 + [(0.02, 0.96, 0.02)] * 200 + [NORMAL] * 800
    result = judge(compare(whole, adaptive, [CRITICAL] * 3000 + [0] * 1000), params)
    assert result.verdict == "refuse"
    assert "5.00% of the answers" in result.evidence


def test_an_image_that_all_miss_as_well_is_no_loss(params):
    missed = [NORMAL] * 90 + [MALIGNANT] * 810
    assert judge(compare(missed, missed, [CRITICAL] * 900), params).verdict == "pass"


def test_where_all_members_always_answer_there_is_nothing_to_lose(params):
    assert judge(not_adaptive("malignant"), params).verdict == "pass"


@pytest.mark.parametrize(
    "comparison",
    [None, compare([NORMAL] * 50, [NORMAL] * 50, [0] * 50)],
    ids=["none", "no critical image"],
)
def test_without_evidence_nothing_passes(comparison, params):
    assert judge(comparison, params).verdict == "insufficient"


def test_no_image_is_no_comparison():
    with pytest.raises(ValueError, match="needs images"):
        compare([], [], [])
