import numpy as np
import pytest

from ml.monitoring.label_shift import estimate_label_shift

LABELS = ["normal", "benign", "malignant"]
GIVEN = np.array([[0.85, 0.10, 0.05], [0.15, 0.75, 0.10], [0.05, 0.15, 0.80]])


def drawn(n, mix, seed):
    """True labels by `mix`, answers by GIVEN[true]."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, size=n, p=mix)
    answers = (rng.random(n)[:, np.newaxis] > GIVEN[truth].cumsum(axis=1)).sum(axis=1)
    return np.minimum(answers, 2), truth


def estimated(mix, *, n=500, seed=0, reference_mix=(0.6, 0.3, 0.1), given=None):
    answers, truth = given or drawn(400, reference_mix, seed=1000 + seed)
    window = np.bincount(drawn(n, mix, seed)[0], minlength=3)
    return estimate_label_shift(
        answers,
        truth,
        np.arange(len(truth)),
        window,
        window_worth=n,
        labels=LABELS,
        confidence=0.95,
    )


def test_the_mix_is_found_though_answers_are_often_wrong():
    shift, tested = estimated((0.3, 0.3, 0.4), n=5000)
    found = [item.current.estimate for item in shift.prevalence]
    assert found == pytest.approx([0.3, 0.3, 0.4], abs=0.07)
    assert sum(found) == pytest.approx(1)
    assert tested.p_value < 1e-6


def test_intervals_hold_the_true_mix_about_as_often_as_they_say():
    mix = (0.45, 0.3, 0.25)
    held = [
        item.current.lower <= true <= item.current.upper
        for seed in range(40)
        for item, true in zip(estimated(mix, seed=seed)[0].prevalence, mix, strict=True)
    ]
    assert np.mean(held) >= 0.9


def test_the_same_mix_is_seldom_called_another():
    p_values = np.array([estimated((0.6, 0.3, 0.1), seed=seed)[1].p_value for seed in range(60)])
    assert (p_values < 0.05).mean() <= 0.15
    assert np.quantile(p_values, 0.5) > 0.2


def test_answers_that_tell_nothing_apart_are_unidentifiable():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    shift, tested = estimated((1, 0, 0), given=(rng.integers(0, 3, 300), truth))
    assert shift.state == "unidentifiable"
    assert tested is None


def test_a_label_without_reference_images_is_insufficient():
    shift, tested = estimated((0.5, 0.5, 0), reference_mix=(0.5, 0.5, 0.0))
    assert shift.state == "insufficient"
    assert "malignant (0)" in shift.reason
    assert tested is None
