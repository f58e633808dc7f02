"""An adaptive vote against the vote of all its members, on the same images."""

import numpy as np
import numpy.typing as npt

from ml.evaluation.bounds import estimate_difference
from ml.evaluation.gate_results import AdaptiveComparison

Groups = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]


def compare_to_whole(
    adaptive_labels: Ints,
    whole_labels: Ints,
    labels: Ints,
    groups: Groups,
    stopped: npt.NDArray[np.bool_],
    *,
    first: str,
    critical: int,
    critical_label: str,
    cpu_ms: float,
    whole_cpu_ms: float,
) -> AdaptiveComparison:
    """The paired difference in the critical label's sensitivity, by group, and what it spares.

    Args:
        adaptive_labels: (n,) label indices of the adaptive vote, after the policy.
        whole_labels: (n,) those of the vote of all, after the same policy.
        labels: (n,) true label indices.
        groups: (n,) group of each image.
        stopped: (n,), where `first` answered alone.

    Raises:
        ValueError: no image.
    """
    if len(labels) == 0:
        raise ValueError("a comparison needs images")
    inside = labels == critical
    adaptive_right, whole_right = adaptive_labels == labels, whole_labels == labels
    wins, losses = adaptive_right & ~whole_right, whole_right & ~adaptive_right
    return AdaptiveComparison(
        first=first,
        critical_label=critical_label,
        stopped=float(stopped.mean()),
        changed=float((adaptive_labels != whole_labels).mean()),
        critical_sensitivity=(
            estimate_difference(wins[inside], losses[inside], groups[inside])
            if inside.any()
            else None
        ),
        cpu_ms=cpu_ms,
        whole_cpu_ms=whole_cpu_ms,
    )


def not_adaptive(critical_label: str) -> AdaptiveComparison:
    """The statement that all members answer every image, which is evidence, unlike none."""
    return AdaptiveComparison(
        first=None,
        critical_label=critical_label,
        stopped=0.0,
        changed=0.0,
        critical_sensitivity=None,
        cpu_ms=None,
        whole_cpu_ms=None,
    )
