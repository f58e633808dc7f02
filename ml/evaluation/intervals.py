"""Confidence intervals that respect small numbers and images that belong together."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ml.evaluation.results import Interval

Groups = npt.NDArray[np.generic]
Statistic = Callable[..., float]


def wilson(successes: int, n: int, confidence: float) -> Interval:
    """Wilson score interval of a share (Wilson 1927); honest at 0 and at n successes.

    Raises:
        ValueError: n is 0 or successes lie outside 0…n.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share")
    z = float(norm.ppf(0.5 + confidence / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the bound equals the estimate, up to rounding.
    lower = 0.0 if successes == 0 else max(0.0, float(centre - half))
    upper = 1.0 if successes == n else min(1.0, float(centre + half))
    return Interval(estimate=share, lower=lower, upper=upper, n=n)


def bootstrap_by_group(
    statistic: Statistic,
    groups: Groups,
    *arrays: npt.NDArray[np.generic],
    rounds: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Percentile bootstrap that draws whole groups (Field & Welsh 2007), so that several images
    of one patient do not count as independent.

    Args:
        statistic: called with resampled arrays; NaN marks a resample it is undefined on, which
            is left out.
        groups: (n,) group of each image.
        arrays: each (n, …), resampled together.

    Raises:
        ValueError: no image, or the statistic is undefined on all images or on every resample.
    """
    estimate = float(statistic(*arrays)) if len(groups) else float("nan")
    if not np.isfinite(estimate):
        raise ValueError("the statistic is undefined on these images")
    _, positions = np.unique(groups, return_inverse=True)
    order = np.argsort(positions, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(positions))[:-1])
    rng = np.random.default_rng(seed)
    values = np.empty(rounds)
    for index in range(rounds):
        drawn = rng.integers(len(members), size=len(members))
        rows = np.concatenate([members[group] for group in drawn])
        values[index] = statistic(*(array[rows] for array in arrays))
    return _percentiles(estimate, values, confidence, len(groups))


def mean_by_group(
    values: npt.NDArray[np.generic],
    groups: Groups,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> Interval:
    """`bootstrap_by_group` of the mean of (n,) values, computed for all rounds at once."""
    _, positions = np.unique(groups, return_inverse=True)
    numbers = np.asarray(values, dtype=np.float64)
    sums = np.bincount(positions, weights=numbers)
    sizes = np.bincount(positions).astype(np.float64)
    drawn = np.random.default_rng(seed).multinomial(
        len(sums), np.full(len(sums), 1 / len(sums)), size=rounds
    )
    means = (drawn @ sums) / (drawn @ sizes)
    return _percentiles(float(numbers.mean()), means, confidence, len(groups))


def share_by_group(
    hits: npt.NDArray[np.bool_],
    groups: Groups,
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Share of hits with the wider of two bounds on each side: Wilson's and the group bootstrap's.

    The bootstrap alone has zero width when all images are right; Wilson's alone takes images of
    one patient as independent.
    """
    score = wilson(int(hits.sum()), len(hits), confidence)
    resampled = mean_by_group(hits, groups, rounds=rounds, confidence=confidence, seed=seed)
    return Interval(
        estimate=score.estimate,
        lower=min(score.lower, resampled.lower),
        upper=max(score.upper, resampled.upper),
        n=score.n,
    )


def _percentiles(
    estimate: float, values: npt.NDArray[np.float64], confidence: float, n: int
) -> Interval:
    defined = values[np.isfinite(values)]
    if len(defined) == 0:
        raise ValueError("the statistic is undefined on every resample")
    lower, upper = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate=estimate, lower=float(lower), upper=float(upper), n=n)
