"""One model on one set of images → the report that gates, cards and people read."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.decision import DecisionPolicy, choose_labels
from ml.evaluation import metrics
from ml.evaluation.calibration import expected_calibration_error, reliability_curve
from ml.evaluation.intervals import bootstrap_by_group, share_by_group
from ml.evaluation.results import EvaluationReport, Interval, LabelMetrics, PaperComparison
from ml.evaluation.slices import evaluate_slices, slice_frame
from ml.params import EvaluationParams

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Groups = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]


def evaluate(
    probabilities: Floats,
    labels: Ints,
    groups: Groups,
    metadata: pd.DataFrame,
    *,
    label_names: Sequence[str],
    policy: DecisionPolicy,
    params: EvaluationParams,
    paper: Sequence[PaperComparison] = (),
) -> EvaluationReport:
    """Measure the answers that the policy makes of calibrated probabilities.

    Args:
        probabilities: (n, classes), in the order of `label_names`.
        labels: (n,) true label indices.
        groups: (n,) patient or near-duplicate group of each image; intervals resample groups.
        metadata: n rows with any of site, scanner, sex and age, which make the slices.
        policy: its label rule and refer band are applied; its quality and outlier bounds need
            more than probabilities and are left out.
        paper: the honest-versus-random-split comparisons, where they were made.

    Raises:
        ValueError: no image, or arrays of different length.
    """
    n, classes = probabilities.shape
    if n == 0 or not n == len(labels) == len(groups) == len(metadata):
        raise ValueError("probabilities, labels, groups and metadata must have one row per image")
    answers = choose_labels(probabilities, label_names, policy)
    right = answers == labels
    critical = labels == list(label_names).index(policy.critical_label)
    referred = _referred(probabilities, answers, label_names, policy)
    share_of = partial(
        share_by_group,
        rounds=params.bootstrap_rounds,
        confidence=params.confidence,
        seed=params.seed,
    )
    bootstrap = partial(
        bootstrap_by_group,
        rounds=params.bootstrap_rounds,
        confidence=params.confidence,
        seed=params.seed,
    )

    def share(hits: Bools, rows: Bools) -> Interval | None:
        return share_of(hits[rows], groups[rows]) if rows.any() else None

    def auc(positive: Bools, scores: Floats) -> Interval | None:
        if positive.all() or not positive.any():
            return None
        return bootstrap(metrics.auc, groups, positive, scores)

    return EvaluationReport(
        labels=list(label_names),
        critical_label=policy.critical_label,
        confidence=params.confidence,
        images=n,
        groups=len(np.unique(groups)),
        accuracy=share_of(right, groups),
        macro_f1=bootstrap(partial(metrics.macro_f1, classes=classes), groups, labels, answers),
        critical_sensitivity=share(right, critical),
        critical_detected=int((right & critical).sum()),
        calibration_error=bootstrap(expected_calibration_error, groups, probabilities, labels),
        refer_rate=float(referred.mean()),
        accuracy_reported=share(right, ~referred),
        per_label=[
            LabelMetrics(
                label=name,
                n=int((labels == index).sum()),
                sensitivity=share(right, labels == index),
                specificity=share(answers != index, labels != index),
                precision=share(right, answers == index),
                auc=auc(labels == index, probabilities[:, index]),
            )
            for index, name in enumerate(label_names)
        ],
        confusion=metrics.confusion_matrix(labels, answers, classes).tolist(),
        reliability=reliability_curve(probabilities, labels),
        slices=evaluate_slices(slice_frame(metadata), right, critical, groups, params),
        paper=list(paper),
    )


def _referred(
    probabilities: Floats, answers: Ints, label_names: Sequence[str], policy: DecisionPolicy
) -> Bools:
    own = probabilities[np.arange(len(answers)), answers]
    critical = probabilities[:, list(label_names).index(policy.critical_label)]
    near = np.abs(critical - policy.critical_threshold) < policy.refer_margin
    return np.asarray((own < policy.refer_below) | near)
