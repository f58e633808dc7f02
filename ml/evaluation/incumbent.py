"""Challenger against incumbent on the same images."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.evaluation.bounds import estimate_difference
from ml.evaluation.gate_results import IncumbentComparison, SliceDifference

Bools = npt.NDArray[np.bool_]
Groups = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]


def compare_to_incumbent(
    challenger_labels: Ints,
    incumbent_labels: Ints,
    labels: Ints,
    groups: Groups,
    slices: pd.DataFrame,
    *,
    label_names: Sequence[str],
    critical_label: str,
    version: str,
) -> IncumbentComparison:
    """Paired differences in accuracy, per label and per slice, by group.

    Non-inferiority is asked of their one-sided lower bounds (Westlake 1976).

    Args:
        challenger_labels: (n,) label indices the challenger answers, after its own policy.
        incumbent_labels: (n,) those of the incumbent, after its own policy.
        labels: (n,) true label indices.
        groups: (n,) group of each image.
        slices: n rows, one column per dimension: see `slice_frame`.
        version: the incumbent's version, as people name it.
    """
    challenger_right, incumbent_right = challenger_labels == labels, incumbent_labels == labels
    wins, losses = challenger_right & ~incumbent_right, incumbent_right & ~challenger_right
    return IncumbentComparison(
        incumbent=version,
        critical_label=critical_label,
        accuracy=estimate_difference(wins, losses, groups),
        sensitivity={
            name: estimate_difference(wins[inside], losses[inside], groups[inside])
            for name, inside in ((name, labels == index) for index, name in enumerate(label_names))
            if inside.any()
        },
        slices=list(_slices(wins, losses, groups, slices)),
    )


def no_incumbent(critical_label: str) -> IncumbentComparison:
    """The statement that nothing is in production, which is evidence, unlike a missing one."""
    return IncumbentComparison(
        incumbent=None, critical_label=critical_label, accuracy=None, sensitivity={}, slices=[]
    )


def _slices(
    wins: Bools, losses: Bools, groups: Groups, slices: pd.DataFrame
) -> Iterator[SliceDifference]:
    for dimension in slices.columns:
        values = slices[dimension].astype(str).to_numpy()
        for value in np.unique(values[slices[dimension].notna().to_numpy()]):
            inside = values == value
            even = np.zeros(int(inside.sum()), dtype=bool)
            yield SliceDifference(
                dimension=str(dimension),
                value=str(value),
                accuracy=estimate_difference(wins[inside], losses[inside], groups[inside]),
                even=estimate_difference(even, even, groups[inside]),
            )
