"""What a probability has meant on the reference, and how sure that is.

Cox's recalibration (Biometrika 1958): the log-odds of being right are taken to be linear in the
log-odds that the model gave. Isotonic regression, which NannyML uses, has no error that could be
told from a few hundred images.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from ml.evaluation.bounds import totals_by_group
from ml.monitoring.dependence import design_effect

Floats = npt.NDArray[np.float64]
_UNCHANGED = np.array([0.0, 1.0])
# The model's temperature was fitted already: large corrections take evidence.
_PRIOR_DEVIATIONS = (1.0, 0.5)
_PRECISION = np.diag(1 / np.square(_PRIOR_DEVIATIONS))


@dataclass(frozen=True, slots=True)
class Recalibration:
    """p ↦ expit(a + b·logit p), where (a, b) are `estimate` with the `covariance` of their errors.

    `effect` is the design effect of what remains: how much more than chance images of one group
    are right or wrong together.
    """

    estimate: Floats
    covariance: Floats
    effect: float

    def draw(self, rng: np.random.Generator, rounds: int) -> Floats:
        """(rounds, 2) values of (a, b), as likely as the reference makes them."""
        return rng.multivariate_normal(self.estimate, self.covariance, size=rounds)


def recalibrate(
    logits: Floats, outcomes: npt.NDArray[np.bool_], groups: npt.NDArray[np.generic]
) -> Recalibration:
    """Fit by penalised maximum likelihood; errors by group (Liang & Zeger, Biometrika 1986).

    Args:
        logits: (n,) log-odds that the model gave.
        outcomes: (n,) what came true.
        groups: (n,) group of each image.
    """
    design = np.stack([np.ones_like(logits), logits], axis=1)
    truth = outcomes.astype(np.float64)

    def loss(theta: Floats) -> tuple[float, Floats]:
        away = theta - _UNCHANGED
        odds = design @ theta
        value = np.logaddexp(0, odds).sum() - truth @ odds + away @ _PRECISION @ away / 2
        return float(value), design.T @ (expit(odds) - truth) + _PRECISION @ away

    fitted = minimize(
        loss,
        _UNCHANGED,
        jac=True,
        hess=lambda theta: _information(design, expit(design @ theta)),
        method="trust-exact",
    )
    theta = np.asarray(fitted.x, dtype=np.float64)
    expected = expit(design @ theta)
    residuals = truth - expected
    scores = totals_by_group(design * residuals[:, np.newaxis], groups)
    bread = np.linalg.inv(_information(design, expected))
    return Recalibration(
        estimate=theta,
        covariance=bread @ (scores.T @ scores + _PRECISION) @ bread,
        effect=design_effect(residuals, groups),
    )


def _information(design: Floats, expected: Floats) -> Floats:
    weights = expected * (1 - expected)
    return (design * weights[:, np.newaxis]).T @ design + _PRECISION
