"""The measures of drift: Evidently's own functions, and when a score counts as drift.

With few images a score is large by chance alone: the expected PSI of two samples of the same
images is about (bins − 1)(1/n + 1/m) (Yurdakul 2018), which passes the customary 0.2 at n = 100.
So every score is held against scores of the same images dealt at random into two samples of the
same sizes.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from evidently.legacy.calculations.stattests import (
    chi_stat_test,
    jensenshannon_stat_test,
    ks_stat_test,
    psi_stat_test,
    wasserstein_stat_test,
)
from evidently.legacy.calculations.stattests.registry import StatTest
from evidently.legacy.core import ColumnType

_ROUNDS = 100
_CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class Statistic:
    """A measure for numbers, its counterpart for categories, and which way means drift."""

    numerical: StatTest
    categorical: StatTest
    small_is_drift: bool

    def test(self, numerical: bool) -> StatTest:
        """The measure for this kind of column."""
        return self.numerical if numerical else self.categorical

    def limit(self, chance: npt.NDArray[np.float64], threshold: float) -> float:
        """What a score must pass: beyond chance (1 in 100), and by more than the threshold.

        A distance must exceed what chance gives on average by the threshold; a p-value must lie
        under the threshold.
        """
        if self.small_is_drift:
            return min(threshold, float(np.quantile(chance, _CHANCE)))
        return max(float(chance.mean()) + threshold, float(np.quantile(chance, 1 - _CHANCE)))

    def passes(self, score: float, limit: float) -> bool:
        """Whether the score counts as drift."""
        return score < limit if self.small_is_drift else score >= limit


STATISTICS = {
    "psi": Statistic(psi_stat_test, psi_stat_test, small_is_drift=False),
    "ks": Statistic(ks_stat_test, chi_stat_test, small_is_drift=True),
    "wasserstein": Statistic(wasserstein_stat_test, jensenshannon_stat_test, small_is_drift=False),
}


def chance_scores(
    test: StatTest,
    reference: pd.Series,
    current: pd.Series,
    *,
    numerical: bool,
    seed: int,
    rounds: int = _ROUNDS,
) -> npt.NDArray[np.float64]:
    """Scores of random re-deals of both samples: the permutation distribution without drift."""
    pooled = np.concatenate([reference.to_numpy(), current.to_numpy()])
    kind = ColumnType.Numerical if numerical else ColumnType.Categorical
    rng = np.random.default_rng(seed)
    scores = np.empty(rounds)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # constant columns divide by zero and score 0
        for index in range(rounds):
            dealt = rng.permutation(pooled)
            left, right = dealt[: len(reference)], dealt[len(reference) :]
            result = test(pd.Series(left), pd.Series(right), kind, None)
            scores[index] = result.drift_score
    return scores
