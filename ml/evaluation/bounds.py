"""One-sided bounds that hold at high confidence, with few errors and images that belong together.

Percentiles of a bootstrap need thousands of rounds to reach a confidence of 0.999, and have zero
width where nothing was wrong. So an estimate is kept with its effective sample size, by which any
confidence can be asked of it later.

Variances are those of the delete-one-group jackknife (Tukey 1958), to which the bootstrap over
groups converges. They are taken of the data and one more group that was wholly wrong: few errors
cannot show how much the images of one patient err together.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import beta, norm, t

from ml.evaluation.gate_results import DifferenceEstimate, MeanEstimate, ShareEstimate

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.generic]
Statistic = Callable[[Floats], Floats]
"""Counts (…, k), summed over groups, → values (…); NaN where undefined."""


def totals_by_group(values: npt.NDArray[np.generic], groups: Groups) -> Floats:
    """Sum rows (n, …) within each group → (groups, …)."""
    names, positions = np.unique(groups, return_inverse=True)
    rows = np.asarray(values, dtype=np.float64)
    totals = np.zeros((len(names), *rows.shape[1:]))
    np.add.at(totals, positions, rows)
    return totals


def estimate_share(statistic: Statistic, totals: Floats, wrong: Floats, n: int) -> ShareEstimate:
    """A statistic between 0 and 1, with the number of independent images it is worth.

    Args:
        statistic: applied to sums of `totals`.
        totals: (groups, k), counts of each group.
        wrong: (k,), the counts of a typical group of which every answer is wrong.
        n: images.

    Raises:
        ValueError: no group, or the statistic is undefined on all of them.
    """
    share = _on_all(statistic, totals)
    pessimistic = np.vstack([totals, wrong[np.newaxis]])
    centre = float(statistic(pessimistic.sum(axis=0)))
    variance = jackknife_variance(statistic, pessimistic)
    effective = centre * (1 - centre) / variance if variance > 0 else 0.0
    return ShareEstimate(
        estimate=share, effective_n=min(effective, float(n)), n=n, groups=len(totals)
    )


def estimate_difference(
    wins: npt.NDArray[np.bool_], losses: npt.NDArray[np.bool_], groups: Groups
) -> DifferenceEstimate:
    """A paired difference; the group added is one that only the other model got right.

    Args:
        wins: (n,), images that only the one model got right.
        losses: (n,), images that only the other got right.
        groups: (n,) group of each image.

    Raises:
        ValueError: no image.
    """
    n = len(groups)
    if n == 0:
        raise ValueError("a difference needs images")
    totals = totals_by_group(np.column_stack([wins, losses, np.ones(n)]), groups)
    size = typical_size(groups)
    pessimistic = np.vstack([totals, [0.0, size, size]])
    won, lost, images = pessimistic.sum(axis=0)
    independent = (won + lost) / images - ((won - lost) / images) ** 2
    variance = jackknife_variance(
        lambda sums: (sums[..., 0] - sums[..., 1]) / sums[..., 2], pessimistic
    )
    return DifferenceEstimate(
        wins=float(wins.mean()),
        losses=float(losses.mean()),
        effective_n=min(float(independent / variance), float(n)) if variance > 0 else 0.0,
        n=n,
        groups=len(totals),
    )


def typical_size(groups: Groups) -> float:
    """Images in the group of a typical image: the size that its errors come in."""
    sizes = np.unique(groups, return_counts=True)[1]
    return float(np.square(sizes).sum() / sizes.sum()) if len(sizes) else 0.0


def estimate_mean(
    statistic: Statistic, totals: Floats, n: int, *, wrong: Floats | None = None
) -> MeanEstimate:
    """Any other statistic, with its standard error; see `estimate_share` for the arguments.

    Raises:
        ValueError: no group, or the statistic is undefined on all of them.
    """
    mean = _on_all(statistic, totals)
    pessimistic = totals if wrong is None else np.vstack([totals, wrong[np.newaxis]])
    error = float(np.sqrt(jackknife_variance(statistic, pessimistic)))
    return MeanEstimate(estimate=mean, standard_error=error, n=n, groups=len(totals))


def jackknife_variance(statistic: Statistic, totals: Floats) -> float:
    """Delete-one-group jackknife; groups without which the statistic is undefined count at its
    value on all, infinite with a single group."""
    if len(totals) < 2:
        return float("inf")
    everything = totals.sum(axis=0)
    values = statistic(everything[np.newaxis] - totals)
    values = np.where(np.isfinite(values), values, statistic(everything))
    spread = float(np.square(values - values.mean()).sum())
    return spread * (len(totals) - 1) / len(totals)


def independent_images(estimate: ShareEstimate | DifferenceEstimate, confidence: float) -> float:
    """What an estimate is worth at a confidence: its effective sample size, less what few groups
    leave unknown of their variance. 0 with fewer than two groups."""
    if estimate.groups < 2:
        return 0.0
    correction = norm.ppf(confidence) / t.ppf(confidence, estimate.groups - 1)
    return estimate.effective_n * float(correction) ** 2


def share_lower(share: ShareEstimate, confidence: float) -> float:
    """One-sided lower bound: Clopper & Pearson's (1934) at the effective sample size, corrected
    for few groups, after Korn & Graubard (Survey Methodology 24, 1998).

    It is exact for independent images. 0 with fewer than two groups.
    """
    worth = independent_images(share, confidence)
    hits = share.estimate * worth
    return float(beta.ppf(1 - confidence, hits, worth - hits + 1)) if hits > 0 else 0.0


def difference_lower(difference: DifferenceEstimate, confidence: float) -> float:
    """One-sided lower bound of a paired difference: Tango's score bound (Statistics in Medicine
    17, 1998) at the effective sample size, corrected for few groups like `share_lower`.

    Its variance is that of a model which is truly so much worse, not the one observed, which few
    errors make too small. −1 with fewer than two groups.
    """
    n = independent_images(difference, confidence)
    if n <= 0:
        return -1.0
    won, lost = difference.wins * n, difference.losses * n
    quantile = float(norm.ppf(confidence))

    def excess(truth: float) -> float:
        b = -won - lost + (2 * n - won + lost) * truth
        c = -lost * truth * (1 - truth)
        only_other = (np.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = max(n * (2 * only_other + truth * (1 - truth)), 1e-12)
        return float((won - lost - n * truth) / np.sqrt(variance)) - quantile

    lowest, highest = -1 + 1e-9, difference.estimate
    return float(brentq(excess, lowest, highest)) if excess(lowest) > 0 else -1.0


def mean_upper(mean: MeanEstimate, confidence: float) -> float:
    """One-sided upper bound by Student's t; infinity with fewer than two groups."""
    if mean.groups < 2:
        return float("inf")
    return mean.estimate + float(t.ppf(confidence, mean.groups - 1)) * mean.standard_error


def _on_all(statistic: Statistic, totals: Floats) -> float:
    value = float(statistic(totals.sum(axis=0))) if len(totals) else float("nan")
    if not np.isfinite(value):
        raise ValueError("the statistic is undefined on these images")
    return value
