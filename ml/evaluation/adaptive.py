"""An adaptive vote against the vote of all its members, on the same images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.contract.decision import DecisionPolicy, choose_labels, in_refer_band
from ml.evaluation.bounds import estimate_difference
from ml.evaluation.gate_results import AdaptiveComparison

Floats = npt.NDArray[np.floating]
Groups = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]


def compare_to_whole(
    adaptive: Floats,
    whole: Floats,
    labels: Ints,
    groups: Groups,
    stopped: npt.NDArray[np.bool_],
    *,
    first: str,
    label_names: Sequence[str],
    policy: DecisionPolicy,
    cpu_ms: float,
    whole_cpu_ms: float,
) -> AdaptiveComparison:
    """Paired differences on critical images, by group, and what is spared.

    Args:
        adaptive: (n, classes) probabilities of the adaptive vote.
        whole: (n, classes) those of the vote of all, under the same policy.
        labels: (n,) true label indices.
        groups: (n,) group of each image.
        stopped: (n,), where `first` answered alone.

    Raises:
        ValueError: no image.
    """
    if len(labels) == 0:
        raise ValueError("a comparison needs images")
    critical = list(label_names).index(policy.critical_label)
    ours, theirs = (choose_labels(values, label_names, policy) for values in (adaptive, whole))
    referred, referred_by_all = (
        np.any(in_refer_band(values, label_names, policy), axis=0) for values in (adaptive, whole)
    )
    inside = labels == critical
    found, found_by_all = ours[inside] == critical, theirs[inside] == critical
    seen, seen_by_all = found | referred[inside], found_by_all | referred_by_all[inside]
    sensitivity, seen_difference = (
        estimate_difference(mine & ~all_, all_ & ~mine, groups[inside]) if inside.any() else None
        for mine, all_ in ((found, found_by_all), (seen, seen_by_all))
    )
    return AdaptiveComparison(
        first=first,
        critical_label=policy.critical_label,
        stopped=float(stopped.mean()),
        changed=float((ours != theirs).mean()),
        critical_sensitivity=sensitivity,
        critical_seen=seen_difference,
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
        critical_seen=None,
        cpu_ms=None,
        whole_cpu_ms=None,
    )
