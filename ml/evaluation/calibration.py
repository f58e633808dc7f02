"""Do probabilities mean what they say?"""

import numpy as np
import numpy.typing as npt

from ml.evaluation.results import ReliabilityBin

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
BINS = 10


def expected_calibration_error(probabilities: Floats, truth: Ints, bins: int = BINS) -> float:
    """Mean gap between top probability and share right over equal-width bins, weighted by size
    (Naeini et al. 2015, as used by Guo et al. 2017).

    Args:
        probabilities: (n, classes).
        truth: (n,) label indices.
    """
    return float(np.abs(gaps_by_bin(probabilities, truth, bins).sum(axis=0)).sum() / len(truth))


def gaps_by_bin(probabilities: Floats, truth: Ints, bins: int = BINS) -> npt.NDArray[np.float64]:
    """(n, bins): top probability minus 1 if right, in the column of the image's bin, else 0."""
    confidence, right = _top(probabilities, truth)
    gaps = np.zeros((len(truth), bins))
    gaps[np.arange(len(truth)), _bin_of(confidence, bins)] = confidence - right
    return gaps


def reliability_curve(probabilities: Floats, truth: Ints, bins: int = BINS) -> list[ReliabilityBin]:
    """The bins behind the calibration error, empty ones left out."""
    confidence, right = _top(probabilities, truth)
    position = _bin_of(confidence, bins)
    curve = []
    for index in range(bins):
        inside = position == index
        if inside.any():
            curve.append(
                ReliabilityBin(
                    lower=index / bins,
                    upper=(index + 1) / bins,
                    n=int(inside.sum()),
                    confidence=float(confidence[inside].mean()),
                    accuracy=float(right[inside].mean()),
                )
            )
    return curve


def _top(probabilities: Floats, truth: Ints) -> tuple[npt.NDArray[np.float64], Floats]:
    confidence = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    return confidence, (probabilities.argmax(axis=1) == truth).astype(np.float64)


def _bin_of(confidence: Floats, bins: int) -> Ints:
    return np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(np.int64)
