"""When one member may answer for all: fitted on validation answers.

A cascade of classifiers (Viola & Jones, CVPR 2001) of two stages: the first member alone, then all.
Stages between would spare little: what the first cannot settle are mostly images in which the
critical label is in play, and those need everyone's vote. See docs/adr/0010-adaptive-vote.md.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from ml.contract.bundle import AdaptiveVote
from ml.params import AdaptiveParams
from ml.training.temperature import calibrate, fit_temperature

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

# Few validation images show where the critical scores begin: half of the lowest odds leaves room.
_ROOM = 0.5


@dataclass(frozen=True, slots=True)
class Votes:
    """What members and all of them together answer on validation images.

    `members` are probabilities (n, classes) by member; `weights` and `multiplications` are by
    member, too; `answers` (n,) are the labels that the vote of all leads to, `truth` the right
    ones, `critical` the position of the critical label, which `critical_threshold` gives.
    """

    members: Mapping[str, Floats]
    weights: Mapping[str, float]
    multiplications: Mapping[str, int]
    answers: Labels
    truth: Labels
    critical: int
    critical_threshold: float

    def cost(self, names: Sequence[str]) -> int:
        """Multiplications of asking these members."""
        return sum(self.multiplications[name] for name in names)


def fit_adaptive(votes: Votes, params: AdaptiveParams) -> AdaptiveVote | None:
    """Choose the first member and its thresholds, so that an image costs least on average.

    Returns:
        None where no member would spare `min_saving` of the multiplications; the log says so.
    """
    voters = [name for name, weight in votes.weights.items() if weight > 0]
    whole = votes.cost(voters)
    found: dict[float, AdaptiveVote] = {}
    for name in votes.members:
        rest = [voter for voter in voters if voter != name]
        adaptive = _fit_first(name, votes, params) if rest else None
        if adaptive is not None:
            spent = votes.cost([name]) + (1 - adaptive.stopped) * votes.cost(rest)
            found[1 - spent / whole] = adaptive
    if not found or max(found) < params.min_saving:
        logger.warning(
            "All members will answer every image: one that answers first would spare %.0f %% of "
            "the multiplications at most, %.0f %% are wanted.",
            100 * max([0.0, *found]),
            100 * params.min_saving,
        )
        return None
    saving = max(found)
    adaptive = found[saving]
    logger.info(
        "%s answers alone on %.0f %% of the validation images, which spares %.0f %% of the "
        "multiplications.",
        adaptive.first,
        100 * adaptive.stopped,
        100 * saving,
    )
    return adaptive


def stops(alone: Floats, adaptive: AdaptiveVote, critical: int) -> npt.NDArray[np.bool_]:
    """Where the first member answers alone, by its calibrated probabilities (n, classes)."""
    return (alone[:, critical] <= adaptive.critical_ceiling) & (
        _surest_other(alone, critical) >= adaptive.confidence
    )


def _fit_first(name: str, votes: Votes, params: AdaptiveParams) -> AdaptiveVote | None:
    temperature = fit_temperature(votes.members[name], votes.truth)
    alone = calibrate(votes.members[name], temperature)
    scores = alone[:, votes.critical]
    ceiling = critical_ceiling(scores, votes.answers == votes.critical, votes.critical_threshold)
    sure = _surest_other(alone, votes.critical)
    others = np.delete(np.arange(alone.shape[1]), votes.critical)
    changed = others[alone[:, others].argmax(axis=1)] != votes.answers
    calm = scores <= ceiling
    confidence = least_confidence(sure[calm], changed[calm], of=len(sure), params=params)
    if confidence is None:
        return None
    adaptive = AdaptiveVote(
        first=name,
        temperature=temperature,
        critical_ceiling=ceiling,
        confidence=confidence,
        stopped=0.0,
    )
    stopped = float(stops(alone, adaptive, votes.critical).mean())
    return adaptive.model_copy(update={"stopped": stopped})


def critical_ceiling(scores: Floats, is_critical: npt.NDArray[np.bool_], threshold: float) -> float:
    """The score up to which the critical label is not in play: half the odds of the lowest score
    among images that all members together call critical, and of the threshold at most. 0 where
    they call none so."""
    if not is_critical.any():
        return 0.0
    lowest = min(float(scores[is_critical].min()), threshold)
    odds = _ROOM * lowest / (1 - lowest)
    return odds / (1 + odds)


def least_confidence(
    sure: Floats, changed: npt.NDArray[np.bool_], *, of: int, params: AdaptiveParams
) -> float | None:
    """The least confidence from which on stopping changes few enough answers.

    The upper bound (Clopper & Pearson 1934) of the share of all `of` images whose answer changes
    is at most `params.error`. It lies midway to the next image that is not stopped; None where no
    confidence keeps the error.
    """
    order = np.argsort(-sure, kind="stable")
    ranked = sure[order]
    wrong = np.cumsum(changed[order])
    bounds = beta.ppf(params.confidence, wrong + 1, of - wrong)
    parts = np.append(np.diff(ranked) != 0, True)[: len(ranked)]  # equal ones stay together
    allowed = np.flatnonzero((bounds <= params.error) & parts)
    if len(allowed) == 0:
        return None
    last = int(allowed[-1])
    return float(ranked[last : last + 2].mean())


def _surest_other(alone: Floats, critical: int) -> Floats:
    return np.delete(alone, critical, axis=1).max(axis=1)
