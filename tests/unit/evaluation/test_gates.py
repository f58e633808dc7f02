from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.evaluation.gates import decide
from ml.evaluation.incumbent import no_incumbent
from ml.evaluation.results import IncumbentComparison, ParityEvidence
from tests.unit.evaluation.conftest import Audit, Replay, interval


def spoil_report(**changes):
    return lambda evidence, params: (
        evidence | {"report": evidence["report"].model_copy(update=changes)}
    )


def put(**changes):
    return lambda evidence, params: evidence | changes


def shrink_critical(evidence, params):
    few = interval(1.0, 0.85, 1.0, n=params.min_critical_images - 1)
    return evidence | {
        "report": evidence["report"].model_copy(update={"critical_sensitivity": few})
    }


def worse(accuracy=0.0, sensitivity=0.0):
    return put(
        incumbent=IncumbentComparison(
            incumbent="3",
            accuracy_difference=interval(accuracy, accuracy - 0.2, 0.0) if accuracy else EVEN,
            critical_sensitivity_difference=interval(sensitivity, sensitivity - 0.2, 0.0)
            if sensitivity
            else EVEN,
        )
    )


EVEN = interval(0.0, 0.0, 0.0)
SPOILERS = {
    "test_images": spoil_report(images=149),
    "critical_images": shrink_critical,
    "accuracy": spoil_report(accuracy=interval(0.9, 0.79, 0.95)),
    "macro_f1": spoil_report(macro_f1=interval(0.9, 0.74, 0.95)),
    "critical_sensitivity": spoil_report(critical_sensitivity=interval(0.9, 0.79, 1.0, n=40)),
    "calibration": spoil_report(calibration_error=interval(0.05, 0.01, 0.11)),
    "parity_labels": put(parity=ParityEvidence(flip_rate=0.05, critical_sensitivity_loss=0, n=330)),
    "parity_critical_sensitivity": put(
        parity=ParityEvidence(flip_rate=0.0, critical_sensitivity_loss=0.1, n=330)
    ),
    "leakage": put(leak=Audit(cross_split_groups=1)),
    "blessing": put(blessing=Replay(passed=False, failures=["bomb.png got 500"])),
    "latency": put(blessing=Replay(p99_ms=1e6)),
    "load_time": put(blessing=Replay(load_seconds=1e6)),
    "memory": put(blessing=Replay(rss_mb=1e6)),
    "non_inferior_accuracy": worse(accuracy=-0.05),
    "non_inferior_critical_sensitivity": worse(sensitivity=-0.10),
}


def test_a_model_with_all_evidence_in_order_is_promoted(evidence, params):
    decision = decide(**evidence, params=params.gates)
    assert decision.promote
    assert decision.reasons == []
    assert {result.name for result in decision.results} == set(SPOILERS)


@pytest.mark.parametrize("gate", SPOILERS)
def test_each_gate_alone_keeps_a_model_back(gate, evidence, params):
    decision = decide(**SPOILERS[gate](evidence, params.gates), params=params.gates)
    kept_back = [result.name for result in decision.results if result.verdict != "pass"]
    assert kept_back == [gate]
    assert not decision.promote
    assert len(decision.reasons) == 1
    assert decision.reasons[0].startswith(gate.replace("_", " "))


@pytest.mark.parametrize("piece", ["report", "parity", "blessing", "leak", "incumbent"])
def test_missing_evidence_is_insufficient_and_never_promotes(piece, evidence, params):
    decision = decide(**(evidence | {piece: None}), params=params.gates)
    assert not decision.promote
    assert {result.verdict for result in decision.results} == {"pass", "insufficient"}
    assert all("no evidence" in reason for reason in decision.reasons)


def test_a_first_model_needs_no_incumbent_when_there_is_none(evidence, params):
    decision = decide(**(evidence | {"incumbent": no_incumbent()}), params=params.gates)
    assert decision.promote
    assert "no model is in production" in decision.results[-1].evidence


def test_a_test_split_without_a_critical_image_is_insufficient(evidence, params):
    report = evidence["report"].model_copy(update={"critical_sensitivity": None})
    decision = decide(**(evidence | {"report": report}), params=params.gates)
    verdicts = {result.name: result.verdict for result in decision.results}
    assert verdicts["critical_images"] == verdicts["critical_sensitivity"] == "insufficient"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measurement_that_is_no_number_does_not_pass(value, evidence, params):
    blessing = replace(evidence["blessing"], p99_ms=value)
    decision = decide(**(evidence | {"blessing": blessing}), params=params.gates)
    assert not decision.promote


def test_the_evidence_is_a_sentence_with_estimate_bound_and_counts(evidence, params):
    report = evidence["report"].model_copy(
        update={"critical_sensitivity": interval(0.971, 0.855, 1.0, n=35), "critical_detected": 34}
    )
    decision = decide(**(evidence | {"report": report}), params=params.gates)
    sentence = next(r.evidence for r in decision.results if r.name == "critical_sensitivity")
    assert sentence == (
        "malignant sensitivity 0.971, 95 % lower bound 0.855 ≥ floor 0.80 (34 of 35)"
    )


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    spoiled=st.sets(st.sampled_from(sorted(SPOILERS))),
    removed=st.sets(st.sampled_from(["report", "parity", "blessing", "leak", "incumbent"])),
)
def test_removing_evidence_never_turns_a_refusal_into_a_promotion(
    spoiled, removed, evidence, params
):
    for gate in sorted(spoiled):
        evidence = SPOILERS[gate](evidence, params.gates)
    before = decide(**evidence, params=params.gates)
    after = decide(**(evidence | dict.fromkeys(removed)), params=params.gates)
    assert after.promote <= before.promote
    assert after.promote == (not spoiled and not removed)


def test_look_alikes_with_different_labels_are_told_but_are_no_leak(evidence, params):
    decision = decide(**(evidence | {"leak": Audit(conflicting_groups=4)}), params=params.gates)
    assert decision.promote
    assert any("4 groups of look-alike images" in result.evidence for result in decision.results)
