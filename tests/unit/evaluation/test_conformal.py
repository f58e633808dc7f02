import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from ml.contract.decision import prediction_sets
from ml.evaluation.conformal import class_quantiles
from tests.unit.evaluation.conftest import LABELS, POLICY, make_cohort, report_of


def policy_of(quantiles, error=0.1):
    return POLICY.model_copy(update={"conformal_quantiles": quantiles, "conformal_error": error})


def test_the_quantile_has_its_finite_sample_correction():
    # Of 19 scores the ceil(20 × 0.9) = 18th smallest.
    probabilities = np.zeros((19, 2))
    probabilities[:, 0] = 1 - np.arange(1, 20) / 100
    found = class_quantiles(probabilities, np.zeros(19, int), ["a", "b"], error=0.1)
    assert found == {"a": pytest.approx(0.18)}


@pytest.mark.parametrize(("images", "calibrated"), [(8, False), (9, True)])
def test_a_class_with_too_few_images_has_no_quantile(images, calibrated):
    probabilities = np.full((images, 2), 0.5)
    found = class_quantiles(probabilities, np.zeros(images, int), ["a", "b"], error=0.1)
    assert ("a" in found) == calibrated


def test_a_label_without_quantile_is_in_every_set():
    sets = prediction_sets(np.array([[0.0, 0.0, 1.0]]), LABELS, policy_of({"normal": 0.5}))
    assert sets.tolist() == [[False, True, True]]


def test_new_patients_are_covered_at_the_promised_rate_in_every_class():
    found = []
    for seed in range(40):
        validation = make_cohort(600, clarity=1.5, seed=seed)
        fresh = make_cohort(600, clarity=1.5, seed=1000 + seed)
        quantiles = class_quantiles(validation.probabilities, validation.truth, LABELS, error=0.1)
        sets = prediction_sets(fresh.probabilities, LABELS, policy_of(quantiles))
        held = sets[np.arange(600), fresh.truth]
        found.append([held[fresh.truth == label].mean() for label in range(3)])
    assert np.mean(found, axis=0) == pytest.approx(0.905, abs=0.015)


def test_the_report_tells_coverage_by_class_and_which_was_not_calibrated(cohort, params):
    conformal = report_of(cohort, params).conformal
    assert [part.calibrated for part in conformal.per_label] == [True, True, False]
    assert conformal.per_label[2].coverage.estimate == 1.0
    assert conformal.mean_set_size >= 1
    assert 0 <= conformal.singles + conformal.empty <= 1


class Precomputed(ClassifierMixin, BaseEstimator):
    """Takes probabilities for images, so that MAPIE scores ours."""

    def __init__(self, classes):
        self.classes_ = np.arange(classes)
        self.classes = classes

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return np.asarray(X)

    def predict(self, X):
        return np.asarray(X).argmax(axis=1)


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset")
@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_each_class_has_the_sets_of_mapie(error):
    classification = pytest.importorskip("mapie.classification")
    validation = make_cohort(900, clarity=1.0, seed=5)
    fresh = make_cohort(300, clarity=1.0, seed=6)
    quantiles = class_quantiles(validation.probabilities, validation.truth, LABELS, error=error)
    ours = prediction_sets(fresh.probabilities, LABELS, policy_of(quantiles, error))
    for index in range(3):
        # Mondrian sets are those of one plain calibration per class, read in its column.
        inside = validation.truth == index
        plain = classification.SplitConformalClassifier(
            Precomputed(3), confidence_level=1 - error, conformity_score="lac", prefit=True
        )
        plain.conformalize(validation.probabilities[inside], validation.truth[inside])
        _, sets = plain.predict_set(fresh.probabilities)
        assert np.array_equal(sets[:, index, 0], ours[:, index])
