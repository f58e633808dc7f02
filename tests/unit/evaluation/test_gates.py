import math
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.evaluation.gate_results import AdaptiveComparison, DifferenceEstimate, ParityEvidence
from ml.evaluation.gates import decide
from ml.evaluation.incumbent import no_incumbent
from ml.evaluation.wear import confidence_of_use
from tests.unit.evaluation.conftest import Audit, Replay

PIECES = ["measured", "parity", "blessing", "leak", "incumbent", "adaptive", "wear"]


def put(**changes):
    return lambda evidence, params: evidence | changes


def spoil(piece, **changes):
    return lambda evidence, params: evidence | {piece: evidence[piece].model_copy(update=changes)}


def measure(field, **changes):
    """Change one share or mean that was measured."""

    def change(evidence, params):
        measured = evidence["measured"]
        value = getattr(measured, field).model_copy(update=changes)
        return evidence | {"measured": measured.model_copy(update={field: value})}

    return change


def sensitivity(piece, label, **changes):
    """Change the sensitivity of one label, or its difference to the incumbent's."""

    def change(evidence, params):
        before = evidence[piece]
        value = before.sensitivity[label].model_copy(update=changes)
        shares = before.sensitivity | {label: value}
        return evidence | {piece: before.model_copy(update={"sensitivity": shares})}

    return change


def few(label):
    def change(evidence, params):
        counts = evidence["measured"].label_images | {label: 10}
        return spoil("measured", label_images=counts)(evidence, params)

    return change


def worse_accuracy(evidence, params):
    accuracy = evidence["incumbent"].accuracy.model_copy(update={"losses": 0.05})
    return spoil("incumbent", accuracy=accuracy)(evidence, params)


def worse_slice(evidence, params):
    first, *rest = evidence["incumbent"].slices
    worse = first.accuracy.model_copy(update={"losses": 0.2})
    slices = [first.model_copy(update={"accuracy": worse}), *rest]
    return spoil("incumbent", slices=slices)(evidence, params)


def small_slice(evidence, params):
    first, *rest = evidence["incumbent"].slices
    even = first.even.model_copy(update={"effective_n": 12.0, "groups": 12, "n": 12})
    return spoil("incumbent", slices=[first.model_copy(update={"even": even}), *rest])(
        evidence, params
    )


_LOST = DifferenceEstimate(wins=0.0, losses=0.02, effective_n=5000, n=5000, groups=2000)
LOSSY = AdaptiveComparison(
    first="quick",
    critical_label="malignant",
    stopped=0.7,
    changed=0.01,
    critical_sensitivity=_LOST,
    critical_seen=_LOST,
    cpu_ms=10.0,
    whole_cpu_ms=40.0,
)


SPOILERS = {
    "test_wear": spoil("wear", use=13),
    "test_images": spoil("measured", images=299),
    "critical_images": few("malignant"),
    "class_images": few("normal"),
    "accuracy": measure("accuracy", estimate=0.8),
    "macro_f1": measure("macro_f1", estimate=0.76),
    "critical_sensitivity": sensitivity("measured", "malignant", estimate=0.85),
    "class_sensitivity": sensitivity("measured", "normal", estimate=0.7),
    "calibration": measure("calibration_error", estimate=0.11),
    "parity_labels": put(parity=ParityEvidence(flip_rate=0.05, critical_sensitivity_loss=0, n=330)),
    "parity_critical_sensitivity": put(
        parity=ParityEvidence(flip_rate=0.0, critical_sensitivity_loss=0.1, n=330)
    ),
    "adaptive_vote": put(adaptive=LOSSY),
    "leakage": put(leak=Audit(cross_split_groups=1)),
    "blessing": put(blessing=Replay(passed=False, failures=["bomb.png got 500"])),
    "latency": put(blessing=Replay(p99_ms=1e6)),
    "load_time": put(blessing=Replay(load_seconds=1e6)),
    "memory": put(blessing=Replay(rss_mb=1e6)),
    "rollback": put(blessing=Replay(rollback_seconds=11.0)),
    "non_inferior_accuracy": worse_accuracy,
    "non_inferior_critical_sensitivity": sensitivity("incumbent", "malignant", losses=0.1),
    "non_inferior_classes": sensitivity("incumbent", "benign", losses=0.12),
    "non_inferior_slices": worse_slice,
    "slice_sizes": small_slice,
}


@pytest.fixture(scope="module")
def gates(params):
    """As reviewed, but small slices block too."""
    return params.gates.model_copy(update={"require_slices": True})


def test_a_model_with_all_evidence_in_order_is_promoted(evidence, gates):
    decision = decide(**evidence, params=gates)
    assert decision.promote, decision.reasons
    assert decision.reasons == []
    assert {result.name for result in decision.results} == set(SPOILERS)


@pytest.mark.parametrize("gate", SPOILERS)
def test_each_gate_alone_keeps_a_model_back(gate, evidence, gates):
    decision = decide(**SPOILERS[gate](evidence, gates), params=gates)
    kept_back = [result.name for result in decision.results if result.verdict != "pass"]
    assert kept_back == [gate]
    assert not decision.promote
    assert len(decision.reasons) == 1
    assert decision.reasons[0].startswith(gate.replace("_", " "))


@pytest.mark.parametrize("piece", PIECES)
def test_missing_evidence_is_insufficient_and_never_promotes(piece, evidence, gates):
    decision = decide(**(evidence | {piece: None}), params=gates)
    assert not decision.promote
    assert {result.verdict for result in decision.results} == {"pass", "insufficient"}
    assert all("no evidence" in reason for reason in decision.reasons)


def test_a_first_model_needs_no_incumbent_when_there_is_none(evidence, gates):
    decision = decide(**(evidence | {"incumbent": no_incumbent("malignant")}), params=gates)
    assert decision.promote
    assert "no model is in production" in decision.results[-1].evidence


def test_where_something_is_in_production_the_way_back_was_walked(evidence, gates):
    replay = Replay(rollback_seconds=None)
    decision = decide(**put(blessing=replay)(evidence, gates), params=gates)
    assert [(result.name, result.verdict) for result in decision.results if result.refuses] == [
        ("rollback", "insufficient")
    ]
    first = put(blessing=replay, incumbent=no_incumbent("malignant"))(evidence, gates)
    assert decide(**first, params=gates).promote


def test_a_way_back_that_led_nowhere_is_no_evidence(evidence, gates):
    replay = Replay(rollback_seconds=math.nan)
    decision = decide(**put(blessing=replay)(evidence, gates), params=gates)
    assert decision.reasons == ["rollback: no evidence: the measurement is nan"]


def test_a_test_split_without_a_critical_image_is_insufficient(evidence, gates):
    measured = evidence["measured"]
    without = measured.model_copy(
        update={
            "label_images": measured.label_images | {"malignant": 0},
            "sensitivity": {k: v for k, v in measured.sensitivity.items() if k != "malignant"},
        }
    )
    decision = decide(**(evidence | {"measured": without}), params=gates)
    verdicts = {result.name: result.verdict for result in decision.results}
    assert verdicts["critical_images"] == verdicts["critical_sensitivity"] == "insufficient"


def test_a_small_slice_is_told_and_keeps_no_model_back_unless_it_must(evidence, params):
    decision = decide(**small_slice(evidence, params.gates), params=params.gates)
    told = next(result for result in decision.results if result.name == "slice_sizes")
    assert decision.promote
    assert told.verdict == "insufficient"
    assert "n too small: site north (n = " in told.evidence


def test_the_same_evidence_is_worth_less_at_every_further_use(evidence, gates):
    close = sensitivity("measured", "malignant", estimate=0.91)(evidence, gates)
    promoted = []
    for use in range(1, gates.max_test_uses + 1):
        wear = evidence["wear"].model_copy(update={"use": use})
        decision = decide(**(close | {"wear": wear}), params=gates)
        assert decision.confidence == confidence_of_use(use, gates)
        promoted.append(decision.promote)
    assert promoted[0]
    assert not promoted[-1]
    assert promoted == sorted(promoted, reverse=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measurement_that_is_no_number_does_not_pass(value, evidence, gates):
    blessing = replace(evidence["blessing"], p99_ms=value)
    decision = decide(**(evidence | {"blessing": blessing}), params=gates)
    assert not decision.promote


def test_the_evidence_is_a_sentence_with_estimate_bound_confidence_and_counts(evidence, gates):
    found = sensitivity("measured", "malignant", estimate=0.971)(evidence, gates)
    decision = decide(**found, params=gates)
    sentence = next(r for r in decision.results if r.name == "critical_sensitivity")
    assert re.fullmatch(
        r"malignant sensitivity 0\.971, 99\.68 % lower bound 0\.\d{3} ≥ floor 0\.80 "
        r"\(\d+ images of \d+ groups\)",
        sentence.evidence,
    )
    assert sentence.confidence == pytest.approx(0.99678, abs=1e-5)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    spoiled=st.sets(st.sampled_from(sorted(SPOILERS)), max_size=4),
    removed=st.sets(st.sampled_from(PIECES)),
)
def test_removing_evidence_never_turns_a_refusal_into_a_promotion(
    spoiled, removed, evidence, gates
):
    for gate in sorted(spoiled):
        evidence = SPOILERS[gate](evidence, gates)
    before = decide(**evidence, params=gates)
    after = decide(**(evidence | dict.fromkeys(removed)), params=gates)
    assert after.promote <= before.promote
    assert after.promote == (not spoiled and not removed)


def test_look_alikes_with_different_labels_are_told_but_are_no_leak(evidence, gates):
    decision = decide(**(evidence | {"leak": Audit(conflicting_groups=4)}), params=gates)
    assert decision.promote
    assert any("4 groups of look-alike images" in result.evidence for result in decision.results)


def test_a_split_too_small_to_decide_is_told_with_numbers(evidence, gates):
    tiny = sensitivity("measured", "malignant", effective_n=30.0, n=31, groups=30)
    decision = decide(**tiny(evidence, gates), params=gates)
    (short,) = [part for part in decision.sufficiency if not part.decides]
    assert short.name == "malignant sensitivity"
    assert short.power < 0.8
    assert short.needed > 31
