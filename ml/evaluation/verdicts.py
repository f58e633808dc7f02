"""How one number meets one bound. A number that is not one is never a pass."""

import math
from collections.abc import Sequence

from ml.evaluation.gate_results import GateResult, Verdict


def at_least(
    name: str, value: float, floor: float, evidence: str, *, confidence: float | None = None
) -> GateResult:
    """Passes when the value reaches the floor."""
    return _result(name, value, floor, value >= floor, evidence, confidence)


def at_most(
    name: str, value: float, ceiling: float, evidence: str, *, confidence: float | None = None
) -> GateResult:
    """Passes when the value stays at or under the ceiling."""
    return _result(name, value, ceiling, value <= ceiling, evidence, confidence)


def too_few(name: str, n: int, needed: int, what: str) -> GateResult:
    """Passes when there are enough images to judge at all; otherwise it is no judgement."""
    enough = n >= needed
    return GateResult(
        name=name,
        verdict="pass" if enough else "insufficient",
        evidence=f"{n} {what}, {needed} needed",
        value=float(n),
        bound=float(needed),
    )


def missing(name: str, what: str) -> GateResult:
    """No evidence: the gate cannot pass."""
    return GateResult(
        name=name, verdict="insufficient", evidence=f"no evidence: {what}", value=None, bound=None
    )


def weakest(results: Sequence[GateResult]) -> GateResult:
    """Of several results of one gate the one that decides: no evidence before a refusal before the
    least room above its bound.

    Raises:
        ValueError: no result.
    """
    order = {"insufficient": 0, "refuse": 1, "pass": 2}
    return min(results, key=lambda result: (order[result.verdict], _room(result)))


def percent(confidence: float) -> str:
    """`99.68 %`: as many digits as tell it from 100 %."""
    digits = max(0, math.ceil(-math.log10(1 - confidence)) - 1) if confidence < 1 else 0
    return f"{100 * confidence:.{digits}f} %"


def sign(holds: bool, comparison: str) -> str:
    """The comparison as it turned out: `≥` or `<`, `≤` or `>`."""
    return comparison if holds else {"≥": "<", "≤": ">"}[comparison]


def _room(result: GateResult) -> float:
    if result.value is None or result.bound is None:
        return -math.inf
    return result.value - result.bound


def _result(
    name: str, value: float, bound: float, holds: bool, evidence: str, confidence: float | None
) -> GateResult:
    verdict: Verdict = "pass" if holds else "refuse"
    if not math.isfinite(value):
        return missing(name, f"the measurement is {value}")
    return GateResult(
        name=name,
        verdict=verdict,
        evidence=evidence,
        value=value,
        bound=bound,
        confidence=confidence,
    )
