"""Fit the weighted soft vote and all that turns it into answers, on validation data only."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

from ml.contract.bundle import AdaptiveVote
from ml.contract.decision import choose_labels, in_refer_band
from ml.contract.errors import TrainingFailed
from ml.params import EnsembleParams
from ml.training.adaptive import Votes, fit_adaptive, stops
from ml.training.member_files import MemberOutputs
from ml.training.policy import fit_policy
from ml.training.projection import Projection, fit_projection
from ml.training.results import EnsembleDefinition
from ml.training.scores import score
from ml.training.temperature import SMALLEST_PROBABILITY, calibrate, fit_temperature

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_ROUNDS = 500
_IRRELEVANT_WEIGHT = 0.02


@dataclass(frozen=True, slots=True)
class ValidationImages:
    """What is known of the n images that the vote is fitted on.

    `labels` are true positions in `label_names`; images of one group of `groups` belong together
    and go to one part as a whole; `statistics` are rows with the columns of `ImageStatistics`.
    """

    labels: Labels
    groups: npt.NDArray
    statistics: pd.DataFrame
    label_names: Sequence[str]
    critical_label: str

    @property
    def critical(self) -> int:
        """Position of the critical label."""
        return list(self.label_names).index(self.critical_label)


def fit_ensemble(
    validation: Mapping[str, MemberOutputs],
    images: ValidationImages,
    params: EnsembleParams,
    *,
    multiplications: Mapping[str, int] | None = None,
    weights: Mapping[str, float] | None = None,
) -> tuple[EnsembleDefinition, Projection]:
    """Fit weights, temperature, thresholds and the embedding projection.

    Args:
        validation: each member's outputs on the same validation images.
        multiplications: what one image costs each member. With them and `params.adaptive.enabled`
            one member may answer alone where that is safe; without, all vote on every image.
        weights: each member's share in the vote; fitted where none are given.

    Raises:
        TrainingFailed: too few validation groups to keep a drift baseline apart.
    """
    names = list(validation)
    stacked = np.stack([softmax(validation[name].logits.astype(float), axis=1) for name in names])
    shares = (
        vote_weights(stacked, images.labels)
        if weights is None
        else np.array([weights[name] for name in names])
    )
    mixture = mix(stacked, shares)
    temperature = fit_temperature(mixture, images.labels)
    probabilities = calibrate(mixture, temperature)
    members = {name: float(weight) for name, weight in zip(names, shares, strict=True)}
    voters = [name for name in names if members[name] > 0]
    fitted = _complete(members, temperature, probabilities, validation, voters, images, params)
    if multiplications is not None and params.adaptive.enabled:
        alone = dict(zip(names, stacked, strict=True))
        adapted = _adapted(
            fitted[0], alone, probabilities, validation, multiplications, images, params
        )
        fitted = adapted or fitted
    definition, projection = fitted
    logger.info(
        "Fitted the vote: %s, temperature %.2f, validation accuracy %.3f.",
        ", ".join(f"{name} {weight:.2f}" for name, weight in members.items()),
        temperature,
        definition.validation.accuracy,
    )
    return definition, projection


def _adapted(
    whole: EnsembleDefinition,
    alone: Mapping[str, Floats],
    probabilities: Floats,
    validation: Mapping[str, MemberOutputs],
    multiplications: Mapping[str, int],
    images: ValidationImages,
    params: EnsembleParams,
) -> tuple[EnsembleDefinition, Projection] | None:
    """The same vote where one member may answer alone; None where that would not be safe or pay.

    Args:
        alone: each member's probabilities.
        probabilities: those of the `whole` vote.
    """
    policy = whole.policy
    answers = choose_labels(probabilities, images.label_names, policy)
    _, near = in_refer_band(probabilities, images.label_names, policy)
    votes = Votes(
        members=alone,
        weights=whole.members,
        multiplications=multiplications,
        answers=answers,
        truth=images.labels,
        groups=images.groups,
        in_play=near | (answers == images.critical),
        critical=images.critical,
    )
    adaptive = fit_adaptive(votes, params.adaptive)
    if adaptive is None:
        return None
    first = calibrate(alone[adaptive.first], adaptive.temperature)
    stopped = stops(first, adaptive, images.critical)
    adapted = _complete(
        whole.members,
        whole.temperature,
        np.where(stopped[:, np.newaxis], first, probabilities),
        validation,
        [adaptive.first],
        images,
        params,
        adaptive=adaptive,
    )
    if adapted[0].policy.critical_threshold <= adaptive.critical_ceiling:
        logger.warning("All members will answer every image: else one alone might call critical.")
        return None
    return adapted


def _complete(
    members: Mapping[str, float],
    temperature: float,
    probabilities: Floats,
    validation: Mapping[str, MemberOutputs],
    embedded: Sequence[str],
    images: ValidationImages,
    params: EnsembleParams,
    *,
    adaptive: AdaptiveVote | None = None,
) -> tuple[EnsembleDefinition, Projection]:
    """All that follows from the served probabilities, and from the features of `embedded`."""
    fits = projection_part(images.groups, params.projection_share)
    features = [validation[name].features for name in embedded]
    projection = fit_projection([block[fits] for block in features], params.embedding_components)
    policy = fit_policy(
        probabilities,
        projection.apply(np.concatenate(features, axis=1)[~fits]),
        images.labels,
        images.statistics,
        label_names=images.label_names,
        critical_label=images.critical_label,
        params=params,
    )
    definition = EnsembleDefinition(
        members=members,
        temperature=temperature,
        adaptive=adaptive,
        policy=policy,
        embedding_components=projection.components.shape[1],
        projection_rows=np.flatnonzero(fits).tolist(),
        validation=score(np.log(probabilities), images.labels),
    )
    return definition, projection


def vote_weights(probabilities: Floats, labels: Labels) -> Floats:
    """Weights of the mixture with the least log loss, by expectation maximisation.

    The problem is convex in the weights, so the fixed point is the optimum. Members whose weight
    falls under 2 % are left out: they would cost inference and change no answer.

    Args:
        probabilities: (members, n, classes).

    Returns:
        (members,), summing to 1.
    """
    members = len(probabilities)
    likelihood = probabilities[:, np.arange(len(labels)), labels] + SMALLEST_PROBABILITY
    weights = _maximise(likelihood, np.full(members, 1 / members))
    weights[weights < min(_IRRELEVANT_WEIGHT, 1 / members)] = 0
    return _maximise(likelihood, weights / weights.sum())


def _maximise(likelihood: Floats, weights: Floats) -> Floats:
    for _ in range(_ROUNDS):
        joint = weights[:, np.newaxis] * likelihood
        weights = (joint / joint.sum(axis=0)).mean(axis=1)
    return weights / weights.sum()


def mix(probabilities: npt.NDArray[np.floating], weights: Floats) -> Floats:
    """The vote before its temperature: (members, n, classes) and (members,) → (n, classes)."""
    return np.einsum("m,mnc->nc", weights, probabilities)


def projection_part(groups: npt.NDArray, share: float) -> npt.NDArray[np.bool_]:
    """Which rows fit the projection: whole groups, chosen by their hash.

    Raises:
        TrainingFailed: one of the two parts would be empty.
    """
    names = sorted({str(group) for group in groups}, key=_hashed)
    chosen = set(names[: max(1, round(share * len(names)))])
    rows = np.array([str(group) in chosen for group in groups])
    if rows.all() or not rows.any():
        raise TrainingFailed(
            f"The validation split has {len(names)} group(s) of images; the drift baseline needs "
            "groups that did not fit the projection.",
            remedy="Ingest images of more patients.",
        )
    return rows


def _hashed(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
