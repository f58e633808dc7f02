"""Validation answers → the decision policy: thresholds, refer band, limits of the familiar."""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.decision import DecisionPolicy, choose_labels, embedding_distance
from ml.contract.quality import STATISTIC_NAMES
from ml.evaluation.conformal import class_quantiles
from ml.evaluation.selective import confidence_cut
from ml.params import EnsembleParams

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]

# Above this, the critical rule would take a label away that has the most probability.
_HIGHEST_CRITICAL_THRESHOLD = 0.5
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

    The refer band has two parts. Answers under a confidence are referred so that the wrong share of
    the others keeps `selective_risk` (El-Yaniv & Wiener 2010). So are critical probabilities so
    close to the threshold that no validation image says on which side they belong.

    Args:
        probabilities: calibrated, (n, classes), on validation images.
        labels: (n,) true label indices.
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
    below = confidence_cut(confidence, answers == labels, risk=params.selective_risk)
    quantiles = class_quantiles(probabilities, labels, label_names, error=params.conformal_error)
    logger.info(
        "Referred below %.3f: %.1f %% of validation images, so that %.1f %% of the others are "
        "wrong at most.",
        below,
        100 * float(np.mean(confidence < below)),
        100 * params.selective_risk,
    )
    if len(quantiles) < len(label_names):
        few = ", ".join(label for label in label_names if label not in quantiles)
        logger.warning("Too few validation images for a conformal quantile: %s.", few)
    return policy.model_copy(
        update={
            "refer_below": below,
            "refer_margin": min(float(np.abs(scores - threshold).min()), _WIDEST_MARGIN),
            "conformal_error": params.conformal_error,
            "conformal_quantiles": quantiles,
            "refer_unless_single": params.refer_unless_single,
        }
    )


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
