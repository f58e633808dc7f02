import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from ml.evaluation import metrics

label_arrays = hnp.arrays(np.int64, st.integers(2, 60), elements=st.integers(0, 2))


@given(st.data())
def test_macro_f1_and_confusion_agree_with_scikit_learn(data):
    truth = data.draw(label_arrays)
    answers = data.draw(hnp.arrays(np.int64, len(truth), elements=st.integers(0, 2)))
    assert metrics.macro_f1(truth, answers, 3) == pytest.approx(
        reference.f1_score(truth, answers, average="macro")
    )
    matrix = metrics.confusion_matrix(truth, answers, 3)
    assert (matrix == reference.confusion_matrix(truth, answers, labels=[0, 1, 2])).all()
    assert metrics.accuracy(truth, answers) == pytest.approx(np.diag(matrix).sum() / len(truth))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 80))
def test_auc_and_roc_agree_with_scikit_learn_with_ties(seed, n):
    rng = np.random.default_rng(seed)
    positive = np.append(rng.random(n) < 0.4, [True, False])
    scores = np.round(rng.random(n + 2), 1)
    assert metrics.auc(positive, scores) == pytest.approx(reference.roc_auc_score(positive, scores))
    false_rate, true_rate = metrics.roc_curve(positive, scores)
    assert np.trapezoid(true_rate, false_rate) == pytest.approx(metrics.auc(positive, scores))
    assert (false_rate[-1], true_rate[-1]) == (1.0, 1.0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80))
def test_average_precision_agrees_with_scikit_learn_with_ties(seed, n):
    rng = np.random.default_rng(seed)
    positive = np.append(rng.random(n) < 0.4, True)
    scores = np.round(rng.random(n + 1), 1)
    assert metrics.average_precision(positive, scores) == pytest.approx(
        reference.average_precision_score(positive, scores)
    )


def test_average_precision_is_undefined_without_a_positive():
    assert np.isnan(metrics.average_precision(np.zeros(3, bool), np.arange(3.0)))


def test_auc_is_undefined_with_one_class_only():
    assert np.isnan(metrics.auc(np.ones(4, dtype=bool), np.arange(4.0)))


def test_sensitivity_at_a_specificity_is_that_of_the_best_threshold_that_keeps_it():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.35, 0.45, 0.6])
    positive = np.arange(8) >= 5
    found = metrics.sensitivity_at_specificity(positive, scores, specificity=0.8)
    assert found == pytest.approx(2 / 3)  # from 0.45 on, one of five negatives is alarmed
    assert np.isnan(metrics.sensitivity_at_specificity(positive[:5], scores[:5], specificity=0.8))
