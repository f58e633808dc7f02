"""One model on one set of images → the report that gates, cards and people read."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.decision import DecisionPolicy, choose_labels, in_refer_band, prediction_sets
from ml.evaluation import metrics
from ml.evaluation.calibration import expected_calibration_error, reliability_curve
from ml.evaluation.conformal import measure_sets
from ml.evaluation.intervals import Statistic, bootstrap_by_group, share_by_group
from ml.evaluation.results import EvaluationReport, Interval, LabelMetrics, PaperComparison
from ml.evaluation.selective import selective_risk
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
    policy: DecisionPolicy | Sequence[DecisionPolicy],
    params: EvaluationParams,
    folds: Ints | None = None,
    paper: Sequence[PaperComparison] = (),
) -> EvaluationReport:
    """Measure the answers that the policy makes of calibrated probabilities.

    Args:
        probabilities: (n, classes), in the order of `label_names`.
        labels: (n,) true label indices.
        groups: (n,) patient or near-duplicate group of each image; intervals resample groups.
        metadata: n rows with any of site, scanner, sex and age, which make the slices.
        policy: its label rule and refer band are applied; its quality and outlier bounds need
            more than probabilities and are left out. For pooled out-of-fold predictions one per
            fold, all of the same critical label.
        folds: (n,), the position in `policy` of each image's fold.
        paper: the honest-versus-random-split comparisons, where they were made.

    Raises:
        ValueError: no image, arrays of different length, or a fold without a policy.
    """
    n, classes = probabilities.shape
    if n == 0 or not n == len(labels) == len(groups) == len(metadata):
        raise ValueError("probabilities, labels, groups and metadata must have one row per image")
    policies = [policy] if isinstance(policy, DecisionPolicy) else list(policy)
    folds = np.zeros(n, dtype=np.int64) if folds is None else folds
    if len(folds) != n or not np.isin(folds, np.arange(len(policies))).all():
        raise ValueError("every image needs the fold of a policy")
    critical_label = policies[0].critical_label
    critical_index = list(label_names).index(critical_label)
    answers, referred, sets = _apply(probabilities, list(label_names), policies, folds)
    right = answers == labels
    critical = labels == critical_index
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

    def ranking(statistic: Statistic, positive: Bools, scores: Floats) -> Interval | None:
        if positive.all() or not positive.any():
            return None
        return bootstrap(statistic, groups, positive, scores)

    return EvaluationReport(
        labels=list(label_names),
        critical_label=critical_label,
        confidence=params.confidence,
        images=n,
        groups=len(np.unique(groups)),
        accuracy=share_of(right, groups),
        macro_f1=bootstrap(partial(metrics.macro_f1, classes=classes), groups, labels, answers),
        critical_sensitivity=share(right, critical),
        critical_detected=int((right & critical).sum()),
        specificity=params.specificity,
        sensitivity_at_specificity=ranking(
            partial(metrics.sensitivity_at_specificity, specificity=params.specificity),
            critical,
            probabilities[:, critical_index],
        ),
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
                auc=ranking(metrics.auc, labels == index, probabilities[:, index]),
                average_precision=ranking(
                    metrics.average_precision, labels == index, probabilities[:, index]
                ),
            )
            for index, name in enumerate(label_names)
        ],
        confusion=metrics.confusion_matrix(labels, answers, classes).tolist(),
        reliability=reliability_curve(probabilities, labels),
        selective=selective_risk(probabilities[np.arange(n), answers], right),
        conformal=measure_sets(
            sets,
            labels,
            groups,
            label_names=label_names,
            policies=policies,
            share_of=share_of,
        ),
        slices=evaluate_slices(slice_frame(metadata), right, critical, groups, params),
        paper=list(paper),
    )


def _apply(
    probabilities: Floats, names: list[str], policies: Sequence[DecisionPolicy], folds: Ints
) -> tuple[Ints, Bools, Bools]:
    """Answers (n,), whether referred (n,), and prediction sets (n, classes)."""
    answers = np.empty(len(folds), dtype=np.int64)
    referred = np.empty(len(folds), dtype=bool)
    sets = np.empty(probabilities.shape, dtype=bool)
    for fold, policy in enumerate(policies):
        inside = folds == fold
        answers[inside] = choose_labels(probabilities[inside], names, policy)
        referred[inside] = np.logical_or(*in_refer_band(probabilities[inside], names, policy))
        sets[inside] = prediction_sets(probabilities[inside], names, policy)
    return answers, referred, sets
