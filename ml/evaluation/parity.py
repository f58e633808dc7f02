"""Served (int8) answers against those of the float model."""

import numpy as np
import numpy.typing as npt

from ml.evaluation.gate_results import ParityEvidence

Ints = npt.NDArray[np.int64]


def parity_evidence(
    float_labels: Ints, served_labels: Ints, labels: Ints, *, critical: int
) -> ParityEvidence:
    """Share of answers that differ, and critical sensitivity lost (negative if gained; 0 without
    critical images, whose number other gates judge).

    Args:
        float_labels: (n,) label indices the float model answers, after the policy.
        served_labels: (n,) those of the served model.
        labels: (n,) true label indices.
        critical: index of the critical label.

    Raises:
        ValueError: no image.
    """
    if len(labels) == 0:
        raise ValueError("parity needs images")
    truth = labels == critical
    lost = int((float_labels[truth] == critical).sum() - (served_labels[truth] == critical).sum())
    return ParityEvidence(
        flip_rate=float(np.mean(float_labels != served_labels)),
        critical_sensitivity_loss=lost / max(int(truth.sum()), 1),
        n=len(labels),
    )
