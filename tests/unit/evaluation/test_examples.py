import numpy as np
import pytest

from ml.contract.decision import choose_labels
from ml.evaluation.examples import answer_table, least_certain, mistakes, most_confident
from tests.unit.evaluation.answered import image_rows, make_answers, outputs_of
from tests.unit.evaluation.conftest import LABELS, POLICY, make_cohort


@pytest.fixture(scope="module")
def unsure():
    return make_cohort(clarity=1.5)


def test_the_table_tells_what_a_caller_would_have_been_told(unsure):
    answers = make_answers(unsure)
    chosen = choose_labels(unsure.probabilities, LABELS, POLICY)
    assert list(answers["predicted"]) == [LABELS[index] for index in chosen]
    own = unsure.probabilities[np.arange(len(chosen)), chosen]
    np.testing.assert_allclose(answers["probability"], own, rtol=1e-6)
    assert set(answers[answers["reasons"] != ""]["action"]) == {"refer"}
    assert set(answers[answers["reasons"] == ""]["action"]) == {"report"}
    assert (answers["probability"] < POLICY.refer_below).equals(
        answers["reasons"].str.contains("low confidence")
    )


def test_an_image_of_odd_quality_is_told_apart(unsure):
    rows = image_rows(unsure).assign(mean=250.0)
    policy = POLICY.model_copy(update={"quality_bounds": {"mean": (20.0, 200.0)}})
    answers = answer_table(rows, outputs_of(unsure), LABELS, policy)
    assert answers["reasons"].str.contains("image quality: mean out of range").all()


def test_missed_critical_images_come_before_surer_mistakes(unsure):
    wrong = mistakes(make_answers(unsure), "malignant")
    assert (wrong["label"] != wrong["predicted"]).all()
    missed = (wrong["label"] == "malignant").to_numpy()
    assert 0 < missed.sum() < len(missed)
    assert not missed[missed.sum() :].any()
    for part in (wrong[missed], wrong[~missed]):
        assert part["probability"].is_monotonic_decreasing


def test_the_least_certain_are_those_with_the_lowest_own_probability(unsure):
    answers = make_answers(unsure)
    shown = least_certain(answers, 7)
    assert len(shown) == 7
    assert shown["probability"].max() <= answers["probability"].nsmallest(8).iloc[-1]


def test_a_cell_of_the_confusion_matrix_shows_its_surest_answers(unsure):
    answers = make_answers(unsure)
    cell = most_confident(answers, "benign", "normal", 3)
    assert set(cell["label"]) == {"benign"}
    assert set(cell["predicted"]) == {"normal"}
    others = answers.query("label == 'benign' and predicted == 'normal'").drop(cell.index)
    assert cell["probability"].min() >= others["probability"].max()
