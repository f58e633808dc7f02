import pytest

from ml.evaluation.evaluation_page import render_evaluation
from ml.evaluation.figures import draw_figures
from ml.evaluation.html_page import render_html
from ml.evaluation.learning_curves import draw_learning_curves
from ml.evaluation.report_sections import report_sections
from ml.evaluation.results import ClassCoverage, ConformalReport, PaperComparison
from tests.unit.evaluation.answered import make_answers
from tests.unit.evaluation.conftest import POLICY, interval


@pytest.fixture(scope="module")
def answers(cohort):
    return make_answers(cohort)


def test_the_page_shows_every_label_slice_and_interval(report, answers):
    page = render_evaluation("Evaluation", report, answers)
    for name in (*report.labels, "scanner: alpha", "age band: 70+"):
        assert name in page
    assert f"n = {report.images})" in page
    assert "average precision" in page


def test_the_page_says_where_the_gates_decision_is(report, answers):
    head = render_evaluation("Evaluation", report, answers).split("\n## ")[0]
    assert "`gate.md`" in head
    assert "`model_card.html`" in head


def test_the_random_split_is_shown_beside_the_honest_one_with_its_warning(report, answers):
    paper = PaperComparison(
        member="efficientnetb0",
        honest_accuracy=0.801,
        honest_macro_f1=0.75,
        paper_accuracy=0.957,
        paper_macro_f1=0.94,
    )
    page = render_evaluation("Evaluation", report.model_copy(update={"paper": [paper]}), answers)
    assert "0.801" in page
    assert "0.957" in page
    assert "decides nothing" in page


def test_every_figure_that_the_page_names_is_drawn(report, cohort, answers, tmp_path):
    draw_figures(tmp_path, report, cohort.probabilities, cohort.truth, POLICY)
    draw_learning_curves({}, tmp_path / "learning_curves.png")
    page = render_html("t", render_evaluation("Evaluation", report, answers), tmp_path)
    assert page.count("data:image/png") == len(list(tmp_path.glob("*.png")))
    assert "://" not in page


def test_the_measurements_alone_name_no_figures(report):
    assert "![" not in "\n".join(report_sections(report))


def test_mistakes_stand_with_their_ids_and_the_reason_of_a_referral(report, answers):
    page = render_evaluation("Evaluation", report, answers)
    section = page.split("## Mistakes")[1].split("## Least certain")[0]
    wrong = answers[answers["label"] != answers["predicted"]]
    assert f"{len(wrong)} of {len(answers)} images" in section
    for image_id in wrong["image_id"]:
        assert f"`{image_id[:12]}`" in section
    assert "low confidence" in page


def test_an_evaluation_without_mistakes_says_none(report, answers):
    right = answers[answers["label"] == answers["predicted"]]
    page = render_evaluation("Evaluation", report, right)
    assert "stand here.\n\nNone." in page


def test_a_label_with_too_few_validation_images_is_said_to_be_in_every_set(report):
    sets = ConformalReport(
        error=0.1,
        coverage=interval(0.92, 0.89, 0.95),
        per_label=[
            ClassCoverage(label="benign", n=90, calibrated=True, coverage=interval(0.9, 0.8, 0.95)),
            ClassCoverage(label="malignant", n=4, calibrated=False, coverage=interval(1, 0.5, 1)),
        ],
        mean_set_size=1.2,
        singles=0.8,
        empty=0.01,
    )
    words = "\n".join(report_sections(report.model_copy(update={"conformal": sets})))
    assert "| malignant | 4 | in every set: too few validation images |" in words
    assert "1.20 labels on average, 80.0% of the sets with one label" in words
