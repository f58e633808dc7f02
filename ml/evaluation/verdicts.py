"""How one number meets one bound. A number that is not one is never a pass."""

import math

from ml.evaluation.results import GateResult, Interval, Verdict


def at_least(name: str, value: float, floor: float, evidence: str) -> GateResult:
    """Passes when the value reaches the floor."""
    return _result(name, value, floor, value >= floor, evidence)


def at_most(name: str, value: float, ceiling: float, evidence: str) -> GateResult:
    """Passes when the value stays at or under the ceiling."""
    return _result(name, value, ceiling, value <= ceiling, evidence)


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


def lower_bound(interval: Interval, confidence: float) -> str:
    """`0.97, 95 % lower bound 0.91`."""
    return f"{interval.estimate:.3f}, {100 * confidence:.0f} % lower bound {interval.lower:.3f}"


def upper_bound(interval: Interval, confidence: float) -> str:
    """`0.03, 95 % upper bound 0.05`."""
    return f"{interval.estimate:.3f}, {100 * confidence:.0f} % upper bound {interval.upper:.3f}"


def sign(holds: bool, comparison: str) -> str:
    """The comparison as it turned out: `≥` or `<`, `≤` or `>`."""
    return comparison if holds else {"≥": "<", "≤": ">"}[comparison]


def _result(name: str, value: float, bound: float, holds: bool, evidence: str) -> GateResult:
    verdict: Verdict = "pass" if holds else "refuse"
    if not math.isfinite(value):
        return missing(name, f"the measurement is {value}")
    return GateResult(name=name, verdict=verdict, evidence=evidence, value=value, bound=bound)
