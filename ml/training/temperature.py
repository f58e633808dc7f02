"""Temperature scaling: probabilities that mean what they say."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from ml.training.scores import log_loss

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

SMALLEST_PROBABILITY = 1e-12
"""What stands for 0 where a logarithm is taken, here and in the served graph."""

_LOG_TEMPERATURES = (-3.0, 3.0)


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
    return np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
