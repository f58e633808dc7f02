import numpy as np
import pytest
from scipy.special import expit

from ml.monitoring.recalibration import recalibrate


def drawn(n, *, slope, intercept=0.0, seed=0, per_group=1):
    """Log-odds, and outcomes whose true log-odds are a line of them; groups come true together."""
    rng = np.random.default_rng(seed)
    logits = np.repeat(rng.normal(0, 2, n // per_group), per_group)
    chance = np.repeat(rng.random(n // per_group), per_group)
    return logits, chance < expit(intercept + slope * logits), np.arange(n) // per_group


def test_overconfidence_is_undone():
    found = recalibrate(*drawn(20_000, slope=0.5, intercept=0.3))
    assert found.estimate == pytest.approx([0.3, 0.5], abs=0.06)


def test_few_images_change_little():
    found = recalibrate(*drawn(12, slope=0.5))
    assert found.estimate == pytest.approx([0.0, 1.0], abs=0.6)


def test_a_reference_without_a_mistake_is_no_certainty():
    logits = np.linspace(0.5, 4, 60)
    found = recalibrate(logits, np.ones(60, dtype=bool), np.arange(60))
    assert np.all(np.isfinite(found.covariance))
    assert np.linalg.eigvalsh(found.covariance).min() > 0


def test_errors_cover_the_truth():
    truth = np.array([0.4, 0.8])
    inside = []
    for seed in range(100):
        found = recalibrate(*drawn(300, slope=truth[1], intercept=truth[0], seed=seed))
        inside.append(np.abs(found.estimate - truth) < 1.96 * np.sqrt(np.diag(found.covariance)))
    assert np.mean(inside) > 0.9


def test_images_that_come_true_together_leave_more_doubt():
    together = recalibrate(*drawn(400, slope=1.0, per_group=4))
    apart = recalibrate(*drawn(400, slope=1.0))
    assert together.effect == pytest.approx(4, abs=0.01)
    assert apart.effect < 1.1
    assert np.trace(together.covariance) > 2 * np.trace(apart.covariance)


def test_draws_have_the_errors_that_are_told():
    found = recalibrate(*drawn(500, slope=1.0))
    draws = found.draw(np.random.default_rng(0), 20_000)
    assert draws.mean(axis=0) == pytest.approx(found.estimate, abs=0.02)
    assert np.cov(draws.T) == pytest.approx(found.covariance, rel=0.1, abs=1e-3)
