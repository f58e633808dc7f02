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
    ones, `groups` (n,) those that belong together. `in_play` (n,) is where that vote calls the
    image critical or sends it to a person for being close to it; `critical` is the position of the
    critical label.
    """

    members: Mapping[str, Floats]
    weights: Mapping[str, float]
    multiplications: Mapping[str, int]
    answers: Labels
    truth: Labels
    groups: npt.NDArray[np.generic]
    in_play: npt.NDArray[np.bool_]
    critical: int

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
    found: list[tuple[float, AdaptiveVote]] = []
    for name in votes.members:
        rest = [voter for voter in voters if voter != name]
        adaptive = _fit_first(name, votes, params) if rest else None
        if adaptive is not None:
            spent = votes.cost([name]) + (1 - adaptive.stopped) * votes.cost(rest)
            found.append((1 - spent / whole, adaptive))
    saving, adaptive = max(found, key=lambda pair: pair[0], default=(0.0, None))
    if adaptive is None or saving < params.min_saving:
        logger.warning(
            "All members will answer every image: one that answers first would spare %.0f %% of "
            "the multiplications at most, %.0f %% are wanted.",
            100 * max(0.0, saving),
            100 * params.min_saving,
        )
        return None
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
    ceiling = critical_ceiling(scores, votes.in_play, params.highest_critical)
    sure = _surest_other(alone, votes.critical)
    others = np.delete(np.arange(alone.shape[1]), votes.critical)
    changed = others[alone[:, others].argmax(axis=1)] != votes.answers
    calm = scores <= ceiling
    confidence = least_confidence(
        sure[calm],
        changed[calm],
        votes.groups[calm],
        of=len(np.unique(votes.groups)),
        params=params,
    )
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


def critical_ceiling(scores: Floats, in_play: npt.NDArray[np.bool_], highest: float) -> float:
    """The score up to which the critical label is not in play: half the odds of the lowest score
    among images in which it is for all members together, and `highest` at most. 0 where it is in
    none."""
    if not in_play.any():
        return 0.0
    lowest = min(float(scores[in_play].min()), 1 - 1e-9)
    odds = _ROOM * lowest / (1 - lowest)
    return min(odds / (1 + odds), highest)


def least_confidence(
    sure: Floats,
    changed: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.generic],
    *,
    of: int,
    params: AdaptiveParams,
) -> float | None:
    """The least confidence from which on stopping changes few enough answers.

    The upper bound (Clopper & Pearson 1934) of the share of all `of` groups in which any answer
    changes is at most `params.error`: images of one patient err together. It lies midway to the
    next image that is not stopped; None where no confidence keeps the error.
    """
    order = np.argsort(-sure, kind="stable")
    ranked, of_group = sure[order], groups[order]
    surest_change = np.unique(of_group[changed[order]], return_index=True)[1]
    first_changes = np.zeros(len(ranked), bool)
    first_changes[np.flatnonzero(changed[order])[surest_change]] = True
    wrong = np.cumsum(first_changes)
    bounds = beta.ppf(params.confidence, wrong + 1, of - wrong)
    parts = np.append(np.diff(ranked) != 0, True)[: len(ranked)]  # equal ones stay together
    allowed = np.flatnonzero((bounds <= params.error) & parts)
    if len(allowed) == 0:
        return None
    last = int(allowed[-1])
    return float(ranked[last : last + 2].mean())


def _surest_other(alone: Floats, critical: int) -> Floats:
    return np.delete(alone, critical, axis=1).max(axis=1)
