"""Were the estimates right? Earlier windows, now that labels of them have come."""

from collections.abc import Sequence

import numpy as np

from ml.evaluation.results import Interval
from ml.monitoring.estimate import ConfidenceCounts, Estimator
from ml.monitoring.performance import Labelled
from ml.monitoring.results import EstimateCheck


def check_estimate(
    report_id: str,
    estimator: Estimator,
    labelled: Labelled,
    *,
    labels: Sequence[str],
    critical_label: str,
    confidence: float,
    min_labelled: int,
) -> list[EstimateCheck]:
    """Estimate for the labelled answers alone what their labels say, and hold both together.

    Which answers get a label is nobody's random choice, so an estimate for all of them could be
    right and differ. Without `min_labelled` independent labels there is nothing to check.
    """
    if labelled.effective < min_labelled:
        return []
    counts = ConfidenceCounts(labels, critical_label)
    counts.add(labelled.scores.astype(np.float64), labelled.answers)
    worth = labelled.effective / len(labelled)
    estimates = estimator.estimate(counts, worth=worth, confidence=confidence)
    realised = _realised(labelled, list(labels).index(critical_label))
    return [
        _check(report_id, metric, estimate, realised[metric])
        for metric, estimate in estimates.items()
        if estimate is not None and realised[metric] is not None
    ]


def _check(
    report_id: str, metric: str, estimate: Interval, realised: float | None
) -> EstimateCheck:
    return EstimateCheck.model_validate(
        {
            "report_id": report_id,
            "metric": metric,
            "estimated": estimate,
            "realised": realised,
            "inside": realised is not None and estimate.lower <= realised <= estimate.upper,
        }
    )


def _realised(labelled: Labelled, critical: int) -> dict[str, float | None]:
    is_critical, said = labelled.truth == critical, labelled.answers == critical
    spared = ~said[~is_critical]
    return {
        "accuracy": float((labelled.answers == labelled.truth).mean()),
        "critical_sensitivity": float(said[is_critical].mean()) if is_critical.any() else None,
        "critical_specificity": float(spared.mean()) if len(spared) else None,
    }
