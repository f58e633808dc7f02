"""Fit the weighted soft vote and all that turns it into answers, on validation data only."""

import hashlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from ml.contract.errors import TrainingFailed
from ml.params import EnsembleParams
from ml.training.member_files import MemberOutputs
from ml.training.policy import fit_policy
from ml.training.projection import Projection, fit_projection
from ml.training.results import EnsembleDefinition
from ml.training.scores import log_loss, score

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_SMALLEST_PROBABILITY = 1e-12
_ROUNDS = 500
_IRRELEVANT_WEIGHT = 0.02
_LOG_TEMPERATURES = (-3.0, 3.0)


def fit_ensemble(
    validation: Mapping[str, MemberOutputs],
    labels: Labels,
    groups: npt.NDArray,
    statistics: pd.DataFrame,
    *,
    label_names: Sequence[str],
    critical_label: str,
    params: EnsembleParams,
) -> tuple[EnsembleDefinition, Projection]:
    """Fit weights, temperature, thresholds and the embedding projection.

    Args:
        validation: each member's outputs on the same validation images.
        labels: (n,), positions in `label_names`.
        groups: (n,), whose images belong together; a group goes to one part as a whole.
        statistics: (n) rows with the columns of `ImageStatistics`.

    Raises:
        TrainingFailed: too few validation groups to keep a drift baseline apart.
    """
    names = list(validation)
    stacked = np.stack([softmax(validation[name].logits.astype(float), axis=1) for name in names])
    weights = vote_weights(stacked, labels)
    mixture = mix(stacked, weights)
    temperature = fit_temperature(mixture, labels)
    probabilities = calibrate(mixture, temperature)
    members = {name: float(weight) for name, weight in zip(names, weights, strict=True)}
    fits = projection_part(groups, params.projection_share)
    features = [validation[name].features for name in names if members[name] > 0]
    projection = fit_projection([block[fits] for block in features], params.embedding_components)
    policy = fit_policy(
        probabilities,
        projection.apply(np.concatenate(features, axis=1)[~fits]),
        labels,
        statistics,
        label_names=label_names,
        critical_label=critical_label,
        params=params,
    )
    definition = EnsembleDefinition(
        members=members,
        temperature=temperature,
        policy=policy,
        embedding_components=projection.components.shape[1],
        projection_rows=np.flatnonzero(fits).tolist(),
        validation=score(np.log(probabilities), labels),
    )
    logger.info(
        "Fitted the vote: %s, temperature %.2f, validation accuracy %.3f.",
        ", ".join(f"{name} {weight:.2f}" for name, weight in members.items()),
        temperature,
        definition.validation.accuracy,
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
    likelihood = probabilities[:, np.arange(len(labels)), labels] + _SMALLEST_PROBABILITY
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


def fit_temperature(probabilities: Floats, labels: Labels) -> float:
    """The temperature of least log loss (Guo et al., On calibration, ICML 2017)."""

    def loss(log_temperature: float) -> float:
        logits = _logarithm(probabilities) / np.exp(log_temperature)
        return log_loss(log_softmax(logits, axis=1), labels)

    result = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(result.x))


def calibrate(probabilities: Floats, temperature: float) -> Floats:
    """`softmax(log(p) / temperature)` over the last axis."""
    return softmax(_logarithm(probabilities) / temperature, axis=-1)


def _logarithm(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY))


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
