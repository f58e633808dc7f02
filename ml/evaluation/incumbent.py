"""Challenger against incumbent on the same images."""

from functools import partial

import numpy as np
import numpy.typing as npt

from ml.evaluation.intervals import mean_by_group
from ml.evaluation.results import IncumbentComparison
from ml.params import EvaluationParams

Ints = npt.NDArray[np.int64]


def compare_to_incumbent(
    challenger_labels: Ints,
    incumbent_labels: Ints,
    labels: Ints,
    groups: npt.NDArray[np.generic],
    *,
    critical: int,
    version: str,
    params: EvaluationParams,
) -> IncumbentComparison:
    """Paired differences in accuracy and critical sensitivity by group bootstrap.

    The intervals hold 1 − 2 (1 − confidence), so that the lower bound alone holds `confidence`:
    non-inferiority is a one-sided question (Westlake 1976).

    Args:
        challenger_labels: (n,) label indices the challenger answers, after its own policy.
        incumbent_labels: (n,) those of the incumbent, after its own policy.
        labels: (n,) true label indices.
        groups: (n,) group of each image.
        critical: index of the critical label.
        version: the incumbent's version, as people name it.
    """
    gain = (challenger_labels == labels).astype(np.int64) - (incumbent_labels == labels)
    is_critical = labels == critical
    difference = partial(
        mean_by_group,
        rounds=params.bootstrap_rounds,
        confidence=2 * params.confidence - 1,
        seed=params.seed,
    )
    return IncumbentComparison(
        incumbent=version,
        accuracy_difference=difference(gain, groups),
        critical_sensitivity_difference=(
            difference(gain[is_critical], groups[is_critical]) if is_critical.any() else None
        ),
    )


def no_incumbent() -> IncumbentComparison:
    """The statement that nothing is in production, which is evidence, unlike a missing one."""
    return IncumbentComparison(
        incumbent=None, accuracy_difference=None, critical_sensitivity_difference=None
    )
