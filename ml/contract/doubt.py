"""How much an answer deserves a person's second look, for each reason to look."""

from collections.abc import Sequence

import numpy as np

from ml.contract.decision import UNLIKE, UNUSUAL_QUALITY, embedding_distance
from ml.contract.records import QueueKind

_HASH_DIGITS = 13


def doubts(
    *,
    action: str,
    reasons: Sequence[str],
    probabilities: Sequence[float],
    embedding: Sequence[float],
    disagreement: float | None,
) -> dict[QueueKind, float]:
    """Each reason with its weight, 0…1, for ordering images of the same reason; the rarest first.

    - `disagreement`: that of the members.
    - `outlier`: of an image that is unlike the training images or of unusual quality, its distance
      d as d / (1 + d).
    - `low_confidence`: of an image that is referred for its answer's sake, the entropy of the
      probabilities in units of that of equal ones.
    """
    found: dict[QueueKind, float] = {}
    if disagreement:
        found["disagreement"] = disagreement
    of_image = [text for text in reasons if text == UNLIKE or text.startswith(UNUSUAL_QUALITY)]
    if of_image:
        distance = float(embedding_distance(np.asarray(embedding))) if embedding else 0.0
        found["outlier"] = distance / (1 + distance)
    if action == "refer" and len(of_image) < len(reasons):
        found["low_confidence"] = _entropy(probabilities)
    return found


def chance(image_id: str) -> float:
    """A number in 0…1 that follows from the image: the highest of a day are a random sample, in
    which an image that is sent often is no likelier than others."""
    return int(image_id[:_HASH_DIGITS], 16) / 16**_HASH_DIGITS


def _entropy(probabilities: Sequence[float]) -> float:
    shares = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-12, 1)
    return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))
