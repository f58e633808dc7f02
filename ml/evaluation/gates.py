"""All evidence in, one decision out. A model is promoted only when every gate passes."""

from ml.evaluation.evidence import BlessingEvidence, LeakEvidence
from ml.evaluation.gates_incumbent import incumbent_gates
from ml.evaluation.gates_quality import quality_gates
from ml.evaluation.gates_serving import blessing_gates, parity_gates
from ml.evaluation.results import (
    EvaluationReport,
    GateDecision,
    GateResult,
    IncumbentComparison,
    ParityEvidence,
)
from ml.evaluation.verdicts import at_most, missing
from ml.params import GateParams


def decide(
    *,
    report: EvaluationReport | None,
    parity: ParityEvidence | None,
    blessing: BlessingEvidence | None,
    leak: LeakEvidence | None,
    incumbent: IncumbentComparison | None,
    params: GateParams,
) -> GateDecision:
    """Put the evidence to all gates. None means that the evidence is missing, which never passes.

    Args:
        report: the served file on the honest test split.
        incumbent: the comparison with the model in production, or `no_incumbent()`.
    """
    results = [
        *quality_gates(report, params),
        *parity_gates(parity, params),
        leakage_gate(leak),
        *blessing_gates(blessing, params),
        *incumbent_gates(incumbent, params),
    ]
    refused = [result for result in results if result.verdict != "pass"]
    return GateDecision(
        promote=not refused,
        results=results,
        reasons=[f"{result.name.replace('_', ' ')}: {result.evidence}" for result in refused],
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
