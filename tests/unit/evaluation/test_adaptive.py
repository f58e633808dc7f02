import numpy as np
import pytest

from ml.evaluation.adaptive import compare_to_whole, not_adaptive
from ml.evaluation.gates_adaptive import adaptive_gate

CRITICAL = 2
CONFIDENCE = 0.95


def compare(whole, adaptive, truth, groups=None):
    return compare_to_whole(
        np.array(adaptive),
        np.array(whole),
        np.array(truth),
        np.arange(len(truth)) if groups is None else np.array(groups),
        np.array(adaptive) != CRITICAL,
        first="quick",
        critical=CRITICAL,
        critical_label="malignant",
        cpu_ms=9.0,
        whole_cpu_ms=40.0,
    )


def judge(comparison, params):
    return adaptive_gate(comparison, params.gates, confidence=CONFIDENCE)


def test_the_same_answers_on_enough_critical_images_pass(params):
    truth = [CRITICAL] * 600 + [0] * 1200
    result = judge(compare(truth, truth, truth), params)
    assert result.verdict == "pass"
    assert "quick answers alone on 67% of the images" in result.evidence


def test_the_same_answers_on_few_critical_images_prove_nothing(params):
    truth = [CRITICAL] * 90 + [0] * 800
    assert judge(compare(truth, truth, truth), params).verdict == "refuse"


def test_images_of_one_patient_do_not_count_as_many(params):
    truth = [CRITICAL] * 600
    groups = np.repeat(np.arange(20), 30)
    assert judge(compare(truth, truth, truth, groups), params).verdict == "refuse"


def test_critical_images_lost_by_answering_alone_refuse(params):
    truth = [CRITICAL] * 3000
    adaptive = [0] * 60 + truth[60:]
    result = judge(compare(truth, adaptive, truth), params)
    assert result.verdict == "refuse"
    assert "-0.020" in result.evidence


def test_an_image_that_all_miss_as_well_is_no_loss(params):
    truth = [CRITICAL] * 900
    missed = [0] * 90 + truth[90:]
    assert judge(compare(missed, missed, truth), params).verdict == "pass"


def test_where_all_members_always_answer_there_is_nothing_to_lose(params):
    assert judge(not_adaptive("malignant"), params).verdict == "pass"


@pytest.mark.parametrize(
    "comparison", [None, compare([0] * 50, [0] * 50, [0] * 50)], ids=["none", "no critical image"]
)
def test_without_evidence_nothing_passes(comparison, params):
    assert judge(comparison, params).verdict == "insufficient"


def test_no_image_is_no_comparison():
    with pytest.raises(ValueError, match="needs images"):
        compare([], [], [])
