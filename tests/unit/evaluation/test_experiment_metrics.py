from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.evaluation.experiment_metrics import Answers, Truth, measure_answers, paired_difference
from ml.evaluation.experiment_table import Difference
from tests.unit.evaluation.experiments import PARAMS, make_answers, make_truth

FAST = PARAMS.model_copy(update={"bootstrap_rounds": 100})


def test_metrics_are_those_of_the_answers():
    truth = Truth(labels=np.array([0, 0, 1, 2, 2, 2]), groups=np.arange(6), critical=2, classes=3)
    labels = np.array([0, 2, 1, 2, 2, 0])
    measured = measure_answers(Answers(labels, np.eye(3)[labels]), truth, PARAMS)
    assert measured.accuracy.estimate == pytest.approx(4 / 6)
    assert measured.critical_sensitivity.estimate == pytest.approx(2 / 3)
    assert measured.critical_sensitivity.n == 3
    assert measured.critical_precision.estimate == pytest.approx(2 / 3)
    assert measured.critical_auc.estimate == pytest.approx(2 / 3)


def test_a_perfect_model_has_no_interval_of_zero_width():
    truth = make_truth()
    measured = measure_answers(Answers.of_probabilities(np.eye(3)[truth.labels]), truth, PARAMS)
    assert measured.accuracy.upper == 1.0
    assert measured.accuracy.lower < 1.0
    assert measured.critical_auc.estimate == measured.macro_auc.estimate == 1.0


def test_what_no_image_can_tell_is_left_out():
    truth = make_truth()
    benign = Truth(np.minimum(truth.labels, 1), truth.groups, truth.critical, truth.classes)
    never = Answers.of_probabilities(np.eye(3)[benign.labels])
    measured = measure_answers(never, benign, FAST)
    assert measured.critical_sensitivity is None
    assert measured.critical_precision is None
    assert measured.critical_auc is None
    assert set(measured.intervals()) == {"accuracy", "macro_f1"}
    assert paired_difference(never, never, benign, FAST).critical_auc is None


@settings(max_examples=8)
@given(clarity=st.floats(0, 5), other=st.floats(0, 5), seed=st.integers(0, 2**16))
def test_a_difference_is_that_of_the_estimates(clarity, other, seed):
    truth = make_truth(60, seed)
    after, before = make_answers(truth, clarity, seed), make_answers(truth, other, seed + 1)
    difference = paired_difference(after, before, truth, FAST).intervals()
    new, old = (measure_answers(a, truth, FAST).intervals() for a in (after, before))
    for name, interval in difference.items():
        assert interval.estimate == pytest.approx(new[name].estimate - old[name].estimate)
        assert interval.lower - 1e-12 <= interval.upper


def test_a_model_does_not_differ_from_itself():
    truth = make_truth()
    same = make_answers(truth, 2.0)
    difference = Difference(against="it", metrics=paired_difference(same, same, truth, PARAMS))
    assert {difference.finding(name) for name in difference.metrics.intervals()} == {"no change"}


def test_a_clear_step_is_shown_in_its_direction():
    truth = make_truth()
    good, bad = make_answers(truth, 3.0), make_answers(truth, 0.5)
    up = Difference(against="bad", metrics=paired_difference(good, bad, truth, PARAMS))
    down = Difference(against="good", metrics=paired_difference(bad, good, truth, PARAMS))
    assert up.finding("accuracy") == up.finding("critical_auc") == "better"
    assert down.finding("accuracy") == down.finding("critical_auc") == "worse"


def test_pairs_can_tell_what_overlapping_intervals_cannot():
    """A model that only corrects some of another's errors is better on the same images."""
    truth = make_truth(240)
    before = make_answers(truth, 1.5)
    wrong = np.flatnonzero(before.labels != truth.labels)[::8]
    labels, scores = before.labels.copy(), before.scores.copy()
    labels[wrong] = truth.labels[wrong]
    scores[wrong] = np.eye(3)[truth.labels[wrong]]
    after = Answers(labels, scores)
    new, old = (measure_answers(a, truth, PARAMS).accuracy for a in (after, before))
    assert new.lower < old.upper
    paired = paired_difference(after, before, truth, PARAMS)
    assert Difference(against="before", metrics=paired).finding("accuracy") == "better"


def test_images_of_one_group_do_not_count_as_many():
    truth = make_truth(240)
    alone = replace(truth, groups=np.arange(240))
    together = replace(truth, groups=np.arange(240) // 12)
    answers = Answers(
        np.where((np.arange(240) // 12) % 4 == 0, (truth.labels + 1) % 3, truth.labels),
        np.eye(3)[truth.labels],
    )
    narrow, wide = (measure_answers(answers, t, PARAMS).accuracy for t in (alone, together))
    assert wide.upper - wide.lower > 1.5 * (narrow.upper - narrow.lower)


def test_a_handful_of_patients_shows_no_difference_however_clear():
    """Five malignant groups that all agree are still a matter of luck; six are not."""
    for count, measurable in ((5, False), (6, True)):
        labels = np.where(np.arange(40) < count, 2, np.arange(40) % 2)
        truth = Truth(labels, np.arange(40), critical=2, classes=3)
        right = Answers.of_probabilities(np.eye(3)[labels])
        wrong = Answers.of_probabilities(np.eye(3)[labels % 2])
        difference = paired_difference(right, wrong, truth, FAST)
        assert (difference.critical_sensitivity is not None) == measurable
        assert (difference.critical_auc is not None) == measurable
