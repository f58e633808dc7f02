from ml.evaluation.decision_page import render_decision
from ml.evaluation.gates import decide


def test_the_page_lists_each_gate_with_its_evidence_bound_and_confidence(evidence, params):
    decision = decide(**(evidence | {"leak": None}), params=params.gates)
    page = render_decision(decision)
    assert "**Refuse.**" in page
    assert "- leakage: no evidence" in page
    assert "| leakage | **insufficient** |" in page
    assert all(result.evidence in page for result in decision.results)
    assert "99.68 %" in page


def test_the_page_tells_the_wear_and_who_wore_it(evidence, params):
    wear = evidence["wear"].model_copy(update={"use": 2, "earlier": ["weekly-1"]})
    page = render_decision(decide(**(evidence | {"wear": wear}), params=params.gates))
    assert "use 2." in page
    assert "`weekly-1`" in page
    assert "**Promote.**" in page


def test_a_gate_that_does_not_block_says_so(evidence, params):
    first, *rest = evidence["incumbent"].slices
    small = first.model_copy(update={"even": first.even.model_copy(update={"effective_n": 5.0})})
    incumbent = evidence["incumbent"].model_copy(update={"slices": [small, *rest]})
    decision = decide(**(evidence | {"incumbent": incumbent}), params=params.gates)
    assert decision.promote
    assert "insufficient, does not block" in render_decision(decision)


def test_a_split_too_small_to_decide_is_named(evidence, params):
    measured = evidence["measured"]
    tiny = measured.accuracy.model_copy(update={"effective_n": 20.0})
    small = measured.model_copy(update={"accuracy": tiny})
    page = render_decision(decide(**(evidence | {"measured": small}), params=params.gates))
    assert "needs k-fold" in page
