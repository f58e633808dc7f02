"""How good the answers of a window are when nobody has labelled them: confidence-based estimation.

After CBPE (NannyML; Garg et al., Leveraging Unlabeled Data to Predict Out-of-Distribution
Performance, ICLR 2022, for what it cannot do): an answer that was given with a recalibrated
probability of 0.9 is right in nine of ten cases, so a confusion matrix can be expected without any
label. It holds while a probability means what it meant on the reference.

The interval is for what labels of all answers would show. It accounts for the recalibration's own
error, and for chance in which answers are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from ml.evaluation.results import Interval
from ml.monitoring.recalibration import Recalibration, recalibrate
from ml.monitoring.reference import TRUTH, Reference
from ml.monitoring.results import EstimatedPerformance
from ml.monitoring.windows import ANSWER, SCORE_PREFIX, score_matrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Draws = dict[str, Floats]
_SMALLEST = 1e-6
_EDGE, _BINS = 14.0, 561  # 20 bins to a unit of log-odds
_CENTRES = np.linspace(-_EDGE, _EDGE, _BINS)
_ROUNDS = 1000
_SEED = 20
_MIN_REFERENCE = 30


def log_odds(probabilities: npt.NDArray[np.floating]) -> Floats:
    """Of probabilities, kept from infinity."""
    kept = np.clip(np.asarray(probabilities, np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(logit(kept), dtype=np.float64)


class ConfidenceCounts:
    """Answers of a window by the log-odds they were given with.

    `answered` is by the odds of the answer itself; `critical` and `others` by those of the critical
    label, for answers that are the critical label and those that are not.
    """

    def __init__(self, labels: Sequence[str], critical_label: str) -> None:
        self.labels, self.critical_label = list(labels), critical_label
        self.answered, self.critical, self.others = (np.zeros(_BINS, np.int64) for _ in range(3))

    def add(self, scores: Floats, answers: Ints) -> None:
        """Count more answers.

        Args:
            scores: (n, labels) probabilities.
            answers: (n,) label given, by its place.
        """
        place = self.labels.index(self.critical_label)
        self.answered += _binned(scores[np.arange(len(scores)), answers])
        self.critical += _binned(scores[answers == place, place])
        self.others += _binned(scores[answers != place, place])

    @property
    def images(self) -> int:
        """How many were counted."""
        return int(self.answered.sum())


@dataclass(frozen=True, slots=True)
class Estimator:
    """Knows what probabilities have meant on the reference."""

    answered: Recalibration
    critical: Recalibration

    @classmethod
    def fit(cls, reference: Reference, critical_label: str) -> "Estimator | None":
        """None where the reference has too few images."""
        rows, labels = reference.rows, reference.bundle.labels
        if len(rows) < _MIN_REFERENCE:
            return None
        answers = reference.label_indices(ANSWER)
        own = score_matrix(rows, labels)[np.arange(len(rows)), answers]
        critical = rows[f"{SCORE_PREFIX}{critical_label}"].to_numpy(dtype=np.float64)
        right = (rows[ANSWER] == rows[TRUTH]).to_numpy()
        is_critical = (rows[TRUTH] == critical_label).to_numpy()
        groups = reference.groups
        return cls(
            recalibrate(log_odds(own), right, groups),
            recalibrate(log_odds(critical), is_critical, groups),
        )

    def estimate(
        self, counts: ConfidenceCounts, *, worth: float, confidence: float
    ) -> dict[str, Interval | None]:
        """Accuracy, sensitivity and specificity to the critical label; None where undefined.

        Args:
            worth: independent images per image, before images of one group are thought of.
        """
        rng = np.random.default_rng(_SEED)
        expected = self._expected(counts)
        drawn = self._drawn(counts, worth, rng)
        tails = (1 - confidence) / 2, (1 + confidence) / 2
        return {
            name: _interval(expected[name], drawn[name], tails, counts.images) for name in expected
        }

    def _expected(self, counts: ConfidenceCounts) -> dict[str, float]:
        right = _meant(self.answered.estimate[np.newaxis])[0]
        critical = _meant(self.critical.estimate[np.newaxis])[0]
        found, missed = counts.critical @ critical, counts.others @ critical
        spared, alarmed = counts.others @ (1 - critical), counts.critical @ (1 - critical)
        return {
            "accuracy": _share(counts.answered @ right, counts.answered @ (1 - right)),
            "critical_sensitivity": _share(found, missed),
            "critical_specificity": _share(spared, alarmed),
        }

    def _drawn(self, counts: ConfidenceCounts, worth: float, rng: np.random.Generator) -> Draws:
        right = _meant(self.answered.draw(rng, _ROUNDS))
        critical = _meant(self.critical.draw(rng, _ROUNDS))
        hits, misses = _outcomes(counts.answered, right, worth / self.answered.effect, rng)
        unit = worth / self.critical.effect
        found, alarmed = _outcomes(counts.critical, critical, unit, rng)
        missed, spared = _outcomes(counts.others, critical, unit, rng)
        return {
            "accuracy": _shares(hits, misses),
            "critical_sensitivity": _shares(found, missed),
            "critical_specificity": _shares(spared, alarmed),
        }


def estimate_performance(
    estimator: Estimator | None,
    counts: ConfidenceCounts,
    *,
    effective: float,
    min_images: int,
    confidence: float,
    doubts: Sequence[str],
) -> EstimatedPerformance:
    """The estimate for the report.

    Args:
        effective: independent images that the counted ones are worth.
        doubts: what speaks against it.
    """
    if estimator is None or effective < min_images:
        reason = (
            f"the reference has fewer than {_MIN_REFERENCE} images"
            if estimator is None
            else f"{effective:.0f} independent images, {min_images} needed"
        )
        return EstimatedPerformance(
            state="insufficient",
            images=counts.images,
            accuracy=None,
            critical_sensitivity=None,
            critical_specificity=None,
            doubts=[],
            reason=reason,
        )
    found = estimator.estimate(counts, worth=effective / counts.images, confidence=confidence)
    return EstimatedPerformance(
        state="ok",
        images=counts.images,
        doubts=list(doubts),
        reason="what labels of all answers would show, estimated from confidence",
        **found,
    )


def _binned(probabilities: Floats) -> Ints:
    places = np.rint((log_odds(probabilities) + _EDGE) * (_BINS - 1) / (2 * _EDGE))
    return np.bincount(places.astype(np.int64), minlength=_BINS)


def _meant(theta: Floats) -> Floats:
    """(rounds, 2) → (rounds, bins): what the probability of each bin means."""
    return np.asarray(expit(theta[:, :1] + theta[:, 1:] * _CENTRES), dtype=np.float64)


def _outcomes(
    counts: Ints, meant: Floats, unit: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """(rounds,) images that came true and that did not, if `unit` of an image is independent."""
    seen = counts > 0
    # Parts of an image are rounded at random, so that rare bins count as often as they should.
    independent = counts[seen] * unit + rng.random((len(meant), int(seen.sum())))
    images = np.floor(independent).astype(np.int64)
    true = rng.binomial(images, meant[:, seen])
    return true.sum(axis=1) / unit, (images - true).sum(axis=1) / unit


def _share(part: float, rest: float) -> float:
    return float(part / (part + rest)) if part + rest > 0 else float("nan")


def _shares(part: Floats, rest: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return part / (part + rest)


def _interval(
    expected: float, drawn: Floats, tails: tuple[float, float], images: int
) -> Interval | None:
    defined = drawn[np.isfinite(drawn)]
    if not np.isfinite(expected) or len(defined) < len(drawn) / 2:
        return None
    lower, upper = np.quantile(defined, tails)
    return Interval(
        estimate=expected,
        lower=float(min(lower, expected)),
        upper=float(max(upper, expected)),
        n=images,
    )
