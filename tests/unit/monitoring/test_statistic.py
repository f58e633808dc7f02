import numpy as np
import pandas as pd
import pytest
from evidently.legacy.core import ColumnType

from ml.monitoring.statistic import STATISTICS, chance_scores


def samples(n, m, *, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return pd.Series(rng.normal(size=n)), pd.Series(rng.normal(shift, 1, size=m))


def judge(statistic, left, right, threshold):
    chance = chance_scores(statistic.numerical, left, right, numerical=True, seed=0)
    limit = statistic.limit(chance, threshold)
    score = statistic.numerical(left, right, ColumnType.Numerical, None).drift_score
    return statistic.passes(score, limit)


@pytest.mark.parametrize(("name", "threshold"), [("psi", 0.2), ("ks", 0.05), ("wasserstein", 0.1)])
def test_equal_samples_of_any_size_seldom_count_as_moved(name, threshold):
    alarms = sum(
        judge(STATISTICS[name], *samples(200, size, seed=seed), threshold)
        for size in (50, 300)
        for seed in range(8)
    )
    assert alarms <= 2


@pytest.mark.parametrize(("name", "threshold"), [("psi", 0.2), ("ks", 0.05), ("wasserstein", 0.1)])
def test_a_shift_of_one_standard_deviation_counts_as_moved(name, threshold):
    for seed in range(5):
        left, right = samples(200, 100, shift=1.0, seed=seed)
        assert judge(STATISTICS[name], left, right, threshold)


def test_psi_of_small_equal_samples_passes_the_customary_threshold_by_chance():
    left, right = samples(200, 50)
    chance = chance_scores(STATISTICS["psi"].numerical, left, right, numerical=True, seed=0)
    assert np.quantile(chance, 0.9) > 0.2


def test_limits_come_closer_to_the_threshold_with_more_images():
    statistic = STATISTICS["psi"]

    def limit(size):
        left, right = samples(size, size)
        return statistic.limit(
            chance_scores(statistic.numerical, left, right, numerical=True, seed=0), 0.2
        )

    assert limit(100) > limit(400) > limit(3000) > 0.2
    assert limit(3000) < 0.21


def test_answers_are_compared_as_categories():
    left, right = pd.Series(["a"] * 80 + ["b"] * 20), pd.Series(["a"] * 20 + ["b"] * 80)
    for statistic, threshold in zip(STATISTICS.values(), (0.2, 0.05, 0.2), strict=True):
        chance = chance_scores(statistic.categorical, left, right, numerical=False, seed=0)
        score = statistic.categorical(left, right, ColumnType.Categorical, None).drift_score
        assert statistic.passes(score, statistic.limit(chance, threshold))


def test_a_constant_signal_has_not_moved():
    constant = pd.Series(np.zeros(120))
    assert not judge(STATISTICS["psi"], constant, constant[:60], 0.2)
