import numpy as np
import pytest

from ml.contract.decision import choose_labels
from ml.evaluation.bounds import share_lower
from ml.evaluation.gate_measurements import macro_f1_of_counts, measure_for_gates
from ml.evaluation.gate_results import GateMeasurements
from ml.evaluation.metrics import confusion_matrix, macro_f1
from tests.unit.evaluation.conftest import LABELS, POLICY, make_cohort, measurements_of


def test_the_gates_judge_the_numbers_of_the_report(report, cohort):
    measured = measurements_of(cohort)
    assert measured.images == report.images
    assert measured.accuracy.estimate == pytest.approx(report.accuracy.estimate)
    assert measured.macro_f1.estimate == pytest.approx(report.macro_f1.estimate)
    assert measured.calibration_error.estimate == pytest.approx(report.calibration_error.estimate)
    for row in report.per_label:
        assert measured.label_images[row.label] == row.n
        assert measured.sensitivity[row.label].estimate == pytest.approx(row.sensitivity.estimate)


def test_their_bounds_agree_with_the_intervals_at_the_same_confidence(report, cohort):
    measured = measurements_of(cohort)
    for share, interval in (
        (measured.accuracy, report.accuracy),
        (measured.macro_f1, report.macro_f1),
        (measured.sensitivity["benign"], report.per_label[1].sensitivity),
    ):
        # One more wrong group is assumed, so the bound lies a little lower.
        lower = share_lower(share, 0.975)
        assert interval.lower - 0.05 < lower < interval.lower + 0.01


def test_macro_f1_of_counts_is_macro_f1():
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 3, 80), rng.integers(0, 2, 80)
    cells = confusion_matrix(truth, answers, 3).ravel().astype(float)
    stacked = macro_f1_of_counts(np.stack([cells, 2 * cells]), 3)
    assert stacked == pytest.approx([macro_f1(truth, answers, 3)] * 2)


def test_a_label_without_images_is_left_out(params):
    cohort = make_cohort(60)
    some = cohort.truth != 2
    measured = measure_for_gates(
        cohort.probabilities[some],
        choose_labels(cohort.probabilities[some], LABELS, POLICY),
        cohort.truth[some],
        cohort.groups[some],
        label_names=LABELS,
        critical_label="malignant",
    )
    assert measured.label_images["malignant"] == 0
    assert "malignant" not in measured.sensitivity


def test_the_measurements_survive_json(measured):
    assert GateMeasurements.model_validate_json(measured.model_dump_json()) == measured
