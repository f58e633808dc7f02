"""How many independent images a number of images is worth, where a patient has several."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]


def design_effect(values: Floats, groups: npt.NDArray[np.generic]) -> float:
    """Factor by which the variance of a mean over images exceeds that over independent images.

    1 + (m − 1)·ρ after Kish (Survey Sampling, 1965), where m is the size of a typical image's group
    and ρ the intraclass correlation by one-way analysis of variance, pooled over columns; never
    below 1.

    Args:
        values: (n,) or (n, columns).
        groups: (n,) group of each image.
    """
    columns = values.reshape(len(values), -1)
    _, positions, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, count = len(columns), len(sizes)
    if count < 2 or count == n:
        return 1.0
    sums = np.stack([np.bincount(positions, weights=column) for column in columns.T], axis=1)
    means = sums / sizes[:, np.newaxis]
    between = sizes @ np.square(means - columns.mean(axis=0)) / (count - 1)
    within = np.square(columns - means[positions]).sum(axis=0) / (n - count)
    usual = (n - np.square(sizes).sum() / n) / (count - 1)
    total = (between + (usual - 1) * within).sum()
    if total <= 0:
        return 1.0  # all values are equal
    correlation = float((between - within).sum() / total)
    typical = float(np.square(sizes).sum() / n)
    return 1 + (typical - 1) * max(correlation, 0.0)


def ranks(values: Floats) -> Floats:
    """Mid-ranks, by which a long tail weighs no more than any other values."""
    return rankdata(values)
