"""Logits → the validation scores of one model."""

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from ml.evaluation.metrics import accuracy, macro_f1
from ml.training.results import ValidationScores

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]


def log_loss(log_probabilities: Floats, labels: Labels) -> float:
    """Mean negative log probability of the true labels, in nats."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def score(logits: Floats, labels: Labels) -> ValidationScores:
    """Score logits of shape (n, classes); log probabilities are logits too."""
    answers = logits.argmax(axis=1).astype(np.int64)
    log_probabilities = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return ValidationScores(
        log_loss=log_loss(log_probabilities, labels),
        accuracy=accuracy(labels, answers),
        macro_f1=macro_f1(labels, answers, logits.shape[1]),
    )
