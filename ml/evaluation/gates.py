"""All evidence in, one decision out. A model is promoted only when no gate refuses.

Every gate holds at the confidence that the wear of the test split leaves. All must pass, so a
model that is truly under any one floor is promoted at most as often as that gate errs, however
many gates there are (intersection–union test: Berger 1982).
"""

from ml.evaluation.evidence import BlessingEvidence, LeakEvidence
from ml.evaluation.gate_results import (
    AdaptiveComparison,
    GateDecision,
    GateMeasurements,
    GateResult,
    IncumbentComparison,
    ParityEvidence,
    SplitWear,
    Sufficiency,
)
from ml.evaluation.gates_adaptive import adaptive_gate
from ml.evaluation.gates_incumbent import incumbent_gates
from ml.evaluation.gates_quality import quality_gates
from ml.evaluation.gates_serving import blessing_gates, parity_gates, rollback_gate
from ml.evaluation.power import sufficiency
from ml.evaluation.verdicts import at_most, missing, percent
from ml.evaluation.wear import confidence_after
from ml.params import GateParams


def decide(
    *,
    measured: GateMeasurements | None,
    parity: ParityEvidence | None,
    blessing: BlessingEvidence | None,
    leak: LeakEvidence | None,
    incumbent: IncumbentComparison | None,
    adaptive: AdaptiveComparison | None,
    wear: SplitWear | None,
    params: GateParams,
    bundle_sha256: str | None = None,
) -> GateDecision:
    """Put the evidence to all gates. None means that the evidence is missing, which never passes.

    Args:
        measured: the served file on the honest test split.
        incumbent: the comparison with the model in production, or `no_incumbent()`.
        adaptive: the comparison with the vote of all members, or `not_adaptive()`.
        wear: how often this test split has judged, this time included.
        bundle_sha256: identity of the bundle that is judged, None where there is none.
    """
    confidence = confidence_after(wear, params)
    results = [
        wear_gate(wear, params),
        *quality_gates(measured, params, confidence=confidence),
        *parity_gates(parity, params),
        adaptive_gate(adaptive, params, confidence=confidence),
        leakage_gate(leak),
        *blessing_gates(blessing, params),
        rollback_gate(blessing, incumbent, params),
        *incumbent_gates(incumbent, params, confidence=confidence),
    ]
    refused = [result for result in results if result.refuses]
    return GateDecision(
        promote=not refused,
        results=results,
        reasons=[f"{result.name.replace('_', ' ')}: {result.evidence}" for result in refused],
        confidence=confidence,
        wear=wear,
        sufficiency=judge_split(measured, params, confidence) if measured else [],
        bundle_sha256=bundle_sha256,
    )


def judge_split(
    measured: GateMeasurements, params: GateParams, confidence: float
) -> list[Sufficiency]:
    """Whether this test split can decide about accuracy and each label's sensitivity at all.

    Where it cannot, pool out-of-fold predictions of a grouped k-fold, or collect more patients.
    """
    floors = {
        label: params.critical_sensitivity_floor
        if label == measured.critical_label
        else params.class_sensitivity_floor
        for label in measured.sensitivity
    }
    shares = {
        "accuracy": (measured.accuracy, params.accuracy_floor),
        **{
            f"{label} sensitivity": (share, floors[label])
            for label, share in measured.sensitivity.items()
        },
    }
    return [
        sufficiency(name, share, floor=floor, confidence=confidence, expected=params.expected_share)
        for name, (share, floor) in shares.items()
    ]


def wear_gate(wear: SplitWear | None, params: GateParams) -> GateResult:
    """A test split that has judged too often asks for new images."""
    if wear is None:
        return missing("test_wear", "it is not known how often this test split has judged")
    worn = wear.use > params.max_test_uses
    told = f"use {wear.use} of at most {params.max_test_uses} of this test split"
    return GateResult(
        name="test_wear",
        verdict="insufficient" if worn else "pass",
        evidence=f"{told}: freeze a dataset with images of new patients"
        if worn
        else f"{told}; bounds hold at {percent(confidence_after(wear, params))}, so that all uses "
        f"together promote a model that is not good enough at most {params.false_promotion:.1%} "
        "of the time",
        value=float(wear.use),
        bound=float(params.max_test_uses),
    )


def leakage_gate(leak: LeakEvidence | None) -> GateResult:
    """No patient, near-duplicate or copy across splits. Look-alikes with different labels stay in
    one split: they are label noise, told in the evidence, and leak nothing."""
    if leak is None:
        return missing("leakage", "the dataset has no leak audit")
    return at_most(
        "leakage",
        float(leak.cross_split_groups + leak.exact_copies),
        0.0,
        f"{leak.cross_split_groups} patients or near-duplicates in more than one split, "
        f"{leak.exact_copies} exact copies ({leak.conflicting_groups} groups of look-alike images "
        "carry different labels)",
    )
