import numpy as np
import pytest

from ml.contract.decision import choose_labels
from ml.evaluation.report import evaluate
from ml.evaluation.results import EvaluationReport, PaperComparison
from tests.unit.evaluation.conftest import LABELS, POLICY, make_cohort, report_of


def test_the_report_survives_json(report):
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_the_same_answers_give_the_same_report(cohort, params, report):
    assert report_of(cohort, params) == report


def test_the_confusion_matrix_explains_all_shares(report):
    confusion = np.array(report.confusion)
    assert confusion.sum() == report.images
    assert report.accuracy.estimate == pytest.approx(np.trace(confusion) / report.images)
    for index, row in enumerate(report.per_label):
        assert row.n == confusion[index].sum()
        assert row.sensitivity.estimate == pytest.approx(confusion[index, index] / row.n)
        assert row.precision.estimate == pytest.approx(
            confusion[index, index] / confusion[:, index].sum()
        )
    malignant = LABELS.index("malignant")
    assert report.critical_detected == confusion[malignant, malignant]
    assert report.per_label[malignant].sensitivity == report.critical_sensitivity


def test_answers_follow_the_policy_and_not_the_highest_probability(cohort, params):
    eager = POLICY.model_copy(update={"critical_threshold": 0.001})
    report = evaluate(
        cohort.probabilities,
        cohort.truth,
        cohort.groups,
        cohort.rows,
        label_names=LABELS,
        policy=eager,
        params=params.evaluation,
    )
    answers = choose_labels(cohort.probabilities, LABELS, eager)
    assert report.critical_sensitivity.estimate == 1.0
    assert report.accuracy.estimate == pytest.approx(float(np.mean(answers == cohort.truth)))


def test_referring_unsure_answers_leaves_better_ones(params):
    report = report_of(make_cohort(clarity=2.0), params)
    assert 0 < report.refer_rate < 0.9
    assert report.accuracy_reported.estimate > report.accuracy.estimate


def test_a_label_without_images_is_not_measurable_rather_than_zero(cohort, params):
    benign = cohort.truth == 1
    report = evaluate(
        cohort.probabilities[benign],
        cohort.truth[benign],
        cohort.groups[benign],
        cohort.rows[benign],
        label_names=LABELS,
        policy=POLICY,
        params=params.evaluation,
    )
    assert report.critical_sensitivity is None
    assert report.per_label[2].auc is None
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_arrays_of_different_length_are_refused(cohort, params):
    with pytest.raises(ValueError, match="one row per image"):
        evaluate(
            cohort.probabilities,
            cohort.truth[1:],
            cohort.groups,
            cohort.rows,
            label_names=LABELS,
            policy=POLICY,
            params=params.evaluation,
        )


def test_the_paper_comparison_is_carried_and_changes_nothing_else(cohort, params, report):
    paper = PaperComparison(
        member="efficientnetb0",
        honest_accuracy=0.8,
        honest_macro_f1=0.75,
        paper_accuracy=0.95,
        paper_macro_f1=0.94,
    )
    with_paper = evaluate(
        cohort.probabilities,
        cohort.truth,
        cohort.groups,
        cohort.rows,
        label_names=LABELS,
        policy=POLICY,
        params=params.evaluation.model_copy(update={"bootstrap_rounds": 200}),
        paper=[paper],
    )
    assert with_paper == report.model_copy(update={"paper": [paper]})


def test_pooled_folds_are_measured_each_under_its_own_policy(cohort, params):
    eager = POLICY.model_copy(update={"critical_threshold": 0.001})
    folds = np.arange(len(cohort.truth)) % 2
    settings = params.evaluation.model_copy(update={"bootstrap_rounds": 100})
    report = evaluate(
        cohort.probabilities,
        cohort.truth,
        cohort.groups,
        cohort.rows,
        label_names=LABELS,
        policy=[POLICY, eager],
        folds=folds,
        params=settings,
    )
    answers = np.where(
        folds == 0,
        choose_labels(cohort.probabilities, LABELS, POLICY),
        choose_labels(cohort.probabilities, LABELS, eager),
    )
    assert report.accuracy.estimate == pytest.approx(float(np.mean(answers == cohort.truth)))


def test_a_fold_without_a_policy_is_refused(cohort, params):
    with pytest.raises(ValueError, match="fold of a policy"):
        evaluate(
            cohort.probabilities,
            cohort.truth,
            cohort.groups,
            cohort.rows,
            label_names=LABELS,
            policy=[POLICY],
            folds=np.ones(len(cohort.truth), dtype=np.int64),
            params=params.evaluation,
        )


def test_the_sensitivity_at_a_fixed_specificity_is_reported_whatever_the_threshold(
    cohort, params, report
):
    positive = cohort.truth == 2
    scores = cohort.probabilities[:, 2]
    threshold = np.quantile(scores[~positive], report.specificity, method="higher")
    found = report.sensitivity_at_specificity
    assert report.specificity == params.evaluation.specificity
    assert found.estimate == pytest.approx(float(np.mean(scores[positive] > threshold)), abs=0.03)
    assert found.lower <= found.estimate <= found.upper


def test_the_risk_curve_holds_the_point_at_which_the_refer_band_works(report):
    reported = 1 - report.accuracy_reported.estimate
    nearest = min(
        report.selective.points, key=lambda point: abs(point.coverage - (1 - report.refer_rate))
    )
    assert nearest.risk == pytest.approx(reported, abs=0.02)
