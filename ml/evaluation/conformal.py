"""Prediction sets that hold the true label of every class at a promised rate."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ml.contract.decision import DecisionPolicy
from ml.evaluation.results import ClassCoverage, ConformalReport, Interval

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Groups = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]
ShareOf = Callable[[Bools, Groups], Interval]


def class_quantiles(
    probabilities: Floats, labels: Ints, label_names: Sequence[str], *, error: float
) -> dict[str, float]:
    """Split-conformal quantiles per class (Mondrian: Vovk, Gammerman & Shafer 2005).

    Nonconformity is 1 − the probability of the true label (Sadinle, Lei & Wasserman 2019); the
    quantile is the ⌈(n + 1)(1 − error)⌉-th smallest of the n images of a class. A class with
    fewer than 1/error − 1 images has none and is left out: it belongs to every set.

    The promise holds for images exchangeable with these: new patients of the same origin. The
    probabilities were calibrated on the same images, so it is measured on the test split.

    Args:
        probabilities: calibrated, (n, classes), on validation images.
        labels: (n,) true label indices.
        error: the rate, 0…1, at which a set may miss its true label.
    """
    quantiles = {}
    for index, name in enumerate(label_names):
        scores = np.sort(1 - np.asarray(probabilities[labels == index, index], dtype=np.float64))
        rank = int(np.ceil((len(scores) + 1) * (1 - error) - 1e-9))
        if rank <= len(scores):
            quantiles[name] = float(scores[rank - 1])
    return quantiles


def measure_sets(
    sets: Bools,
    labels: Ints,
    groups: Groups,
    *,
    label_names: Sequence[str],
    policies: Sequence[DecisionPolicy],
    share_of: ShareOf,
) -> ConformalReport | None:
    """Coverage per class and the sizes of the sets; None where a policy has no quantiles.

    Args:
        sets: (n, classes), as `prediction_sets` makes them.
        policies: those that made them, one per fold.
        share_of: hits and their groups → an interval.
    """
    errors = {policy.conformal_error for policy in policies}
    error = errors.pop()
    if error is None or errors:
        return None
    held = sets[np.arange(len(labels)), labels]
    sizes = sets.sum(axis=1)
    return ConformalReport(
        error=error,
        coverage=share_of(held, groups),
        per_label=[
            ClassCoverage(
                label=name,
                n=int(inside.sum()),
                calibrated=all(name in policy.conformal_quantiles for policy in policies),
                coverage=share_of(held[inside], groups[inside]) if inside.any() else None,
            )
            for name, inside in ((name, labels == index) for index, name in enumerate(label_names))
        ],
        mean_set_size=float(sizes.mean()),
        singles=float((sizes == 1).mean()),
        empty=float((sizes == 0).mean()),
    )
