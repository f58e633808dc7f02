"""Probabilities → an answer: a label, and either `report` it or `refer` the image to a person."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from ml.contract.quality import ImageStatistics

Share = Annotated[float, Field(ge=0, le=1)]

UNLIKE = "unlike the images the model was trained on"
UNUSUAL_QUALITY = "image quality: "
"""Reasons, the second one's beginning, that speak of the image rather than of the answer."""


class DecisionPolicy(BaseModel):
    """Everything between probabilities and answer, fitted on validation data and sealed.

    - `critical_threshold`: the critical label (malignant) is given from this probability on, even
      where another label has more.
    - `refer_below`: an answer whose own probability is below this is referred.
    - `refer_margin`: a critical probability this close to its threshold is referred.
    - `outlier_distance`: root mean square of the whitened embedding components beyond which an
      image is unlike those the model was fitted on.
    - `quality_bounds`: lowest and highest accepted value per image statistic.
    - `conformal_error`: the rate at which a prediction set may miss the true label, None where
      no sets were calibrated; `conformal_quantiles`: by label, how far its probability may lie
      under 1; a label without one had too few validation images and is in every set.
    - `refer_unless_single`: whether a prediction set without exactly one label is referred.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    critical_label: str
    critical_threshold: Share
    refer_below: Share
    refer_margin: Share
    outlier_distance: float = Field(gt=0)
    quality_bounds: dict[str, tuple[float, float]] = Field(default_factory=dict)
    conformal_error: float | None = Field(None, gt=0, lt=1)
    conformal_quantiles: dict[str, Share] = Field(default_factory=dict)
    refer_unless_single: bool = False


class Decision(BaseModel):
    """`reasons` is empty exactly when the action is `report`.

    `prediction_set` holds the true label at the promised rate; None where none was calibrated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    action: Literal["report", "refer"]
    reasons: list[str]
    prediction_set: list[str] | None = None


def choose_labels(
    probabilities: npt.NDArray[np.floating], labels: Sequence[str], policy: DecisionPolicy
) -> npt.NDArray[np.int64]:
    """Label indices for probabilities of shape (n, classes): argmax, after the critical rule."""
    critical = labels.index(policy.critical_label)
    others = np.array(probabilities, dtype=np.float64)
    others[:, critical] = -1.0
    is_critical = probabilities[:, critical] >= policy.critical_threshold
    return np.where(is_critical, critical, others.argmax(axis=1)).astype(np.int64)


def prediction_sets(
    probabilities: npt.NDArray[np.floating], labels: Sequence[str], policy: DecisionPolicy
) -> npt.NDArray[np.bool_]:
    """For probabilities of shape (n, classes): whether each label belongs to the image's set."""
    quantiles = [policy.conformal_quantiles.get(label, 1.0) for label in labels]
    return 1 - np.asarray(probabilities, dtype=np.float64) <= np.array(quantiles)


def in_refer_band(
    probabilities: npt.NDArray[np.floating], labels: Sequence[str], policy: DecisionPolicy
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For probabilities of shape (n, classes): whether the answer's own probability is too low, and
    whether the critical one is too close to its threshold."""
    answers = choose_labels(probabilities, labels, policy)
    own = probabilities[np.arange(len(answers)), answers]
    critical = probabilities[:, labels.index(policy.critical_label)]
    near = np.abs(critical - policy.critical_threshold) < policy.refer_margin
    return own < policy.refer_below, near


def embedding_distance(embedding: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Root mean square over the last axis of whitened components: about 1 for familiar images."""
    return np.sqrt(np.mean(np.square(np.asarray(embedding, dtype=np.float64)), axis=-1))


def decide(
    probabilities: npt.NDArray[np.floating],
    embedding: npt.NDArray[np.floating],
    statistics: ImageStatistics,
    labels: Sequence[str],
    policy: DecisionPolicy,
) -> Decision:
    """Decide on one image.

    Args:
        probabilities: (classes,), in the order of `labels`.
        embedding: (components,), whitened.
        statistics: measured on the same image.
    """
    row = probabilities[np.newaxis]
    index = int(choose_labels(row, labels, policy)[0])
    (unsure,), (near,) = in_refer_band(row, labels, policy)
    reasons = []
    if unsure:
        reasons.append("low confidence")
    if near:
        reasons.append(f"close to the {policy.critical_label} threshold")
    if float(embedding_distance(embedding)) > policy.outlier_distance:
        reasons.append(UNLIKE)
    members = None
    if policy.conformal_error is not None:
        inside = prediction_sets(row, labels, policy)[0]
        members = [label for label, held in zip(labels, inside, strict=True) if held]
        if policy.refer_unless_single and len(members) != 1:
            reasons.append("several labels are possible" if members else "no label fits")
    for name, (low, high) in policy.quality_bounds.items():
        value = float(getattr(statistics, name))
        if not low <= value <= high:
            reasons.append(f"{UNUSUAL_QUALITY}{name.replace('_', ' ')} out of range")
    return Decision(
        label=labels[index],
        action="refer" if reasons else "report",
        reasons=reasons,
        prediction_set=members,
    )
