"""One model's answers on one test split → what the gates judge."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from ml.evaluation.bounds import estimate_mean, estimate_share, totals_by_group, typical_size
from ml.evaluation.calibration import gaps_by_bin
from ml.evaluation.gate_results import GateMeasurements, ShareEstimate

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]


def measure_for_gates(
    probabilities: npt.NDArray[np.floating],
    answers: Ints,
    labels: Ints,
    groups: Groups,
    *,
    label_names: Sequence[str],
    critical_label: str,
) -> GateMeasurements:
    """Shares with their effective sample sizes.

    Args:
        probabilities: (n, classes), calibrated, in the order of `label_names`.
        answers: (n,) label indices after the policy.
        labels: (n,) true label indices.
        groups: (n,) group of each image.

    Raises:
        ValueError: no image.
    """
    classes = len(label_names)
    gaps = gaps_by_bin(probabilities, labels)
    size = typical_size(groups)
    counts = np.bincount(labels, minlength=classes)
    return GateMeasurements(
        critical_label=critical_label,
        images=len(labels),
        label_images={name: int(counts[index]) for index, name in enumerate(label_names)},
        accuracy=_share_right(answers == labels, groups),
        macro_f1=_macro_f1(answers, labels, groups, classes),
        sensitivity={
            name: _share_right((answers == labels)[labels == index], groups[labels == index])
            for index, name in enumerate(label_names)
            if counts[index]
        },
        calibration_error=estimate_mean(
            lambda totals: np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1],
            totals_by_group(np.column_stack([gaps, np.ones(len(labels))]), groups),
            len(labels),
            # Surely wrong, all of it: in the bin of certainty.
            wrong=np.append(np.zeros(gaps.shape[1] - 1), [size, size]),
        ),
    )


def macro_f1_of_counts(totals: Floats, classes: int) -> Floats:
    """Macro F1 of flattened confusion matrices (…, classes²), over the classes that occur."""
    matrix = totals.reshape(*totals.shape[:-1], classes, classes)
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    involved = matrix.sum(axis=-1) + matrix.sum(axis=-2)
    scores = np.where(involved > 0, 2 * right / np.maximum(involved, 1e-12), 0.0)
    present: Floats = (involved > 0).sum(axis=-1)
    return scores.sum(axis=-1) / np.maximum(present, 1)


def _share_right(right: npt.NDArray[np.bool_], groups: Groups) -> ShareEstimate:
    size = typical_size(groups)
    totals = totals_by_group(np.column_stack([right, np.ones(len(right))]), groups)
    return estimate_share(
        lambda sums: sums[..., 0] / sums[..., 1], totals, np.array([0.0, size]), len(right)
    )


def _macro_f1(answers: Ints, labels: Ints, groups: Groups, classes: int) -> ShareEstimate:
    counts = np.bincount(labels, minlength=classes)
    rarest = int(np.where(counts > 0, counts, np.inf).argmin())
    other = int(np.where(np.arange(classes) == rarest, -1, counts).argmax())
    wrong = np.zeros(classes * classes)
    wrong[rarest * classes + other] = typical_size(groups[labels == rarest])
    cells = np.eye(classes * classes)[labels * classes + answers]
    return estimate_share(
        partial(macro_f1_of_counts, classes=classes),
        totals_by_group(cells, groups),
        wrong,
        len(labels),
    )
