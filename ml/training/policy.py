"""Validation answers → the decision policy: thresholds, refer band, limits of the familiar."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.decision import DecisionPolicy, choose_labels, embedding_distance
from ml.contract.quality import STATISTIC_NAMES
from ml.params import EnsembleParams

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]

# Above this, the critical rule would take a label away that has the most probability.
_HIGHEST_CRITICAL_THRESHOLD = 0.5
# A calibrated answer this sure is reported, however sure the others are.
_SURE = 0.9
_WIDEST_MARGIN = 0.1
# Limits are set with room beyond what the few validation images happen to span.
_OUTLIER_QUANTILE, _OUTLIER_ROOM = 0.99, 1.5
_QUALITY_QUANTILES, _QUALITY_ROOM = (0.01, 0.99), 0.5


def fit_policy(
    probabilities: Floats,
    embedding: Floats,
    labels: Labels,
    statistics: pd.DataFrame,
    *,
    label_names: Sequence[str],
    critical_label: str,
    params: EnsembleParams,
) -> DecisionPolicy:
    """Fit the policy.

    Args:
        probabilities: calibrated, (n, classes), on validation images.
        embedding: (m, components), whitened, on images that did not fit the projection.
        statistics: one row per validation image, columns of `ImageStatistics`.
    """
    critical = label_names.index(critical_label)
    scores = probabilities[:, critical]
    threshold = critical_threshold(
        scores, labels == critical, specificity=params.critical_specificity
    )
    policy = DecisionPolicy(
        critical_label=critical_label,
        critical_threshold=threshold,
        refer_below=0.0,
        refer_margin=0.0,
        outlier_distance=_outlier_distance(embedding),
        quality_bounds=quality_bounds(statistics),
    )
    answers = choose_labels(probabilities, label_names, policy)
    confidence = probabilities[np.arange(len(answers)), answers]
    below = min(float(np.quantile(confidence, params.refer_share)), _SURE)
    distance = np.abs(scores - threshold)
    margin = min(float(np.quantile(distance, params.refer_share / 2)), _WIDEST_MARGIN)
    return policy.model_copy(update={"refer_below": below, "refer_margin": margin})


def critical_threshold(
    scores: Floats, is_critical: npt.NDArray[np.bool_], *, specificity: float
) -> float:
    """The threshold of highest sensitivity plus specificity that keeps `specificity`.

    Youden's index (Cancer 1950) under the constraint. It lies midway between the scores that it
    separates, and never above 0.5, so that the rule only ever adds critical answers to argmax of
    two classes.
    """
    distinct = np.unique(np.append(scores, [0.0, 1.0]))
    candidates = np.minimum((distinct[:-1] + distinct[1:]) / 2, _HIGHEST_CRITICAL_THRESHOLD)
    answered = scores[np.newaxis] >= candidates[:, np.newaxis]
    sensitivity = answered[:, is_critical].mean(axis=1)
    kept = 1 - answered[:, ~is_critical].mean(axis=1)
    index = np.where(kept >= specificity, sensitivity + kept, -1.0)
    # Of equally good thresholds the highest alarms least.
    best = len(index) - 1 - int(np.argmax(index[::-1]))
    return float(candidates[best]) if index[best] >= 0 else _HIGHEST_CRITICAL_THRESHOLD


def quality_bounds(statistics: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Per statistic the range of nearly all images, widened by half of it on both sides."""
    bounds = {}
    for name in STATISTIC_NAMES:
        low, high = np.quantile(statistics[name].to_numpy(dtype=np.float64), _QUALITY_QUANTILES)
        room = max(_QUALITY_ROOM * (high - low), 0.01 * max(abs(low), abs(high), 1.0))
        bounds[name] = (float(low - room), float(high + room))
    return bounds


def _outlier_distance(embedding: Floats) -> float:
    return _OUTLIER_ROOM * float(np.quantile(embedding_distance(embedding), _OUTLIER_QUANTILE))
