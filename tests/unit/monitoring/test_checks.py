import numpy as np

from ml.monitoring.checks import check_estimate
from ml.monitoring.estimate import Estimator
from ml.monitoring.performance import Labelled
from tests.unit.monitoring.conftest import LABELS, make_reference, make_window


def checked(window):
    return check_estimate(
        "week-1",
        Estimator.fit(make_reference(400, sharpness=1.2), "malignant"),
        Labelled([window.assign(delay_hours=1.0)], LABELS),
        labels=LABELS,
        critical_label="malignant",
        confidence=0.95,
        min_labelled=30,
    )


def test_an_estimate_that_held_is_told_with_what_came_true():
    window = make_window(200, seed=2, sharpness=1.2)
    checks = checked(window)
    assert [check.metric for check in checks] == [
        "accuracy", "critical_sensitivity", "critical_specificity",
    ]  # fmt: skip
    assert checks[0].realised == (window["truth"] == window["answer"]).mean()
    assert checks[0].estimated.n == 200
    assert checks[0].inside


def test_a_model_that_is_wrong_and_sure_is_found_out():
    window = make_window(200, seed=2, sharpness=1.2)
    accuracy = checked(window.assign(truth=np.roll(window["truth"], 1)))[0]
    assert not accuracy.inside
    assert accuracy.realised < accuracy.estimated.lower


def test_few_labels_check_nothing():
    assert checked(make_window(29, seed=2)) == []
