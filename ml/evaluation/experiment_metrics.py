"""Answers on the test split → metrics with intervals, and paired differences of two models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from ml.evaluation import metrics
from ml.evaluation.experiment_table import ExperimentMetrics
from ml.evaluation.intervals import bootstrap_by_group, mean_by_group, share_by_group
from ml.evaluation.results import Interval
from ml.params import EvaluationParams

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's `labels` (n,) and the `scores` (n, classes) by which it ranks images."""

    labels: Ints
    scores: Floats

    @classmethod
    def of_probabilities(cls, probabilities: Floats) -> "Answers":
        """The label of highest probability, without thresholds: what papers report."""
        return cls(probabilities.argmax(axis=1).astype(np.int64), probabilities)

    @classmethod
    def of_logits(cls, logits: Floats) -> "Answers":
        """The same from logits, which only a softmax makes comparable between images."""
        return cls.of_probabilities(softmax(logits, axis=1))


@dataclass(frozen=True, slots=True)
class Truth:
    """The test split: true `labels` (n,) and `groups` (n,), whose images belong together.

    `critical` is the position of the critical label among `classes`.
    """

    labels: Ints
    groups: npt.NDArray[np.generic]
    critical: int
    classes: int

    @property
    def is_critical(self) -> Bools:
        return self.labels == self.critical

    @property
    def ranks_critical(self) -> bool:
        """Whether there are critical images and others, which an AUC needs."""
        return bool(self.is_critical.any() and not self.is_critical.all())

    @property
    def ranks_all(self) -> bool:
        """Whether every label has an image."""
        return len(np.unique(self.labels)) == self.classes > 1


def measure_answers(answers: Answers, truth: Truth, params: EvaluationParams) -> ExperimentMetrics:
    """Metrics with their intervals; shares take the wider of Wilson's and the group bootstrap's."""
    drawing = _drawing(params)
    right, given = answers.labels == truth.labels, answers.labels == truth.critical
    statistics = _statistics(truth)

    def share(hits: Bools, rows: Bools) -> Interval | None:
        return share_by_group(hits[rows], truth.groups[rows], **drawing) if rows.any() else None

    def bootstrap(name: str) -> Interval:
        arrays = (truth.labels, answers.labels, answers.scores)
        return bootstrap_by_group(statistics[name], truth.groups, *arrays, **drawing)

    return ExperimentMetrics(
        accuracy=share_by_group(right, truth.groups, **drawing),
        macro_f1=bootstrap("macro_f1"),
        critical_sensitivity=share(given, truth.is_critical),
        critical_precision=share(truth.is_critical, given),
        critical_auc=bootstrap("critical_auc") if truth.ranks_critical else None,
        macro_auc=bootstrap("macro_auc") if truth.ranks_all else None,
    )


def paired_difference(
    after: Answers, before: Answers, truth: Truth, params: EvaluationParams
) -> ExperimentMetrics:
    """`after` minus `before` on the same images: both are resampled with the same groups.

    What two models share (easy and hard images) cancels out, so this tells more than whether
    their own intervals overlap. A metric that rests on so few groups that even their unanimity
    would not pass a two-sided sign test is None: a bootstrap of them has no width, and lies.
    """
    drawing = _drawing(params)
    statistics = _statistics(truth)
    gains = (after.labels == truth.labels).astype(float) - (before.labels == truth.labels)
    critical = truth.is_critical
    given = [answers.labels == truth.critical for answers in (after, before)]

    def suffice(rows: Bools) -> bool:
        return 2 * 0.5 ** len(np.unique(truth.groups[rows])) <= 1 - params.confidence

    def bootstrap(name: str) -> Interval:
        def change(
            labels: Ints, new: Ints, new_scores: Floats, old: Ints, old_scores: Floats
        ) -> float:
            statistic = statistics[name]
            return statistic(labels, new, new_scores) - statistic(labels, old, old_scores)

        arrays = (truth.labels, after.labels, after.scores, before.labels, before.scores)
        return bootstrap_by_group(change, truth.groups, *arrays, **drawing)

    return ExperimentMetrics(
        accuracy=mean_by_group(gains, truth.groups, **drawing),
        macro_f1=bootstrap("macro_f1"),
        critical_sensitivity=mean_by_group(gains[critical], truth.groups[critical], **drawing)
        if suffice(critical)
        else None,
        critical_precision=bootstrap("critical_precision")
        if all(suffice(rows) for rows in given)
        else None,
        critical_auc=bootstrap("critical_auc")
        if suffice(critical) and suffice(~critical)
        else None,
        macro_auc=bootstrap("macro_auc")
        if all(suffice(truth.labels == label) for label in range(truth.classes))
        else None,
    )


def _drawing(params: EvaluationParams) -> dict[str, Any]:
    return {
        "rounds": params.bootstrap_rounds,
        "confidence": params.confidence,
        "seed": params.seed,
    }


def _statistics(truth: Truth) -> dict[str, Callable[[Ints, Ints, Floats], float]]:
    """Of true labels, given labels and scores; NaN where undefined."""

    def macro_f1(labels: Ints, answers: Ints, _: Floats) -> float:
        return metrics.macro_f1(labels, answers, truth.classes)

    def critical_precision(labels: Ints, answers: Ints, _: Floats) -> float:
        given = answers == truth.critical
        return float(np.mean(labels[given] == truth.critical)) if given.any() else float("nan")

    def critical_auc(labels: Ints, _: Ints, scores: Floats) -> float:
        return metrics.auc(labels == truth.critical, scores[:, truth.critical])

    def macro_auc(labels: Ints, _: Ints, scores: Floats) -> float:
        return float(
            np.mean([metrics.auc(labels == k, scores[:, k]) for k in range(truth.classes)])
        )

    return {
        "macro_f1": macro_f1,
        "critical_precision": critical_precision,
        "critical_auc": critical_auc,
        "macro_auc": macro_auc,
    }
