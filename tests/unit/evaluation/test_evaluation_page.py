from ml.evaluation.evaluation_page import render_evaluation
from ml.evaluation.gates import decide
from ml.evaluation.results import PaperComparison


def test_the_page_shows_every_label_slice_and_interval(report):
    page = render_evaluation(report, None)
    for name in (*report.labels, "scanner: alpha", "age band: 70+"):
        assert name in page
    assert f"n = {report.images})" in page
    assert "## Gates" not in page


def test_the_page_lists_each_gate_with_its_evidence(report, evidence, params):
    decision = decide(**(evidence | {"leak": None}), params=params.gates)
    page = render_evaluation(report, decision)
    assert "| leakage | **no evidence** |" in page
    assert all(result.evidence in page for result in decision.results)


def test_the_random_split_is_shown_beside_the_honest_one_with_its_warning(report):
    paper = PaperComparison(
        member="efficientnetb0",
        honest_accuracy=0.801,
        honest_macro_f1=0.75,
        paper_accuracy=0.957,
        paper_macro_f1=0.94,
    )
    page = render_evaluation(report.model_copy(update={"paper": [paper]}), None)
    assert "0.801" in page
    assert "0.957" in page
    assert "decides nothing" in page
