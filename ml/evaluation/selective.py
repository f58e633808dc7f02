"""Risk against coverage: what is wrong among the answers that are not referred."""

import numpy as np
import numpy.typing as npt

from ml.evaluation.results import RiskPoint, SelectiveRisk

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]

_POINTS = 60
_REFER_ALL = 1.0


def selective_risk(confidence: Floats, right: Bools) -> SelectiveRisk:
    """The risk–coverage curve (El-Yaniv & Wiener 2010) and the area under it (Geifman, Uziel &
    El-Yaniv 2019), thinned to at most 60 points.

    Args:
        confidence: (n,), the probability of each answer.
        right: (n,), whether it is right.
    """
    cuts, coverage, risk = _curve(confidence, right)
    kept = np.unique(np.linspace(0, len(cuts) - 1, _POINTS).round().astype(np.int64))
    widths = np.diff(coverage, prepend=0.0)
    return SelectiveRisk(
        points=[
            RiskPoint(
                coverage=float(coverage[index]),
                risk=float(risk[index]),
                confidence=float(cuts[index]),
            )
            for index in kept
        ],
        area=float((risk * widths).sum()),
    )


def confidence_cut(confidence: Floats, right: Bools, *, risk: float) -> float:
    """The confidence under which to refer, so that at most `risk` of the others are wrong.

    Of all cuts that keep the risk it refers least, and lies midway between the answers that it
    parts. 0 if nothing need be referred, 1 if no cut keeps the risk.
    """
    cuts, _, risks = _curve(confidence, right)
    allowed = np.flatnonzero(risks <= risk)
    if len(allowed) == 0:
        return _REFER_ALL
    last = int(allowed[-1])
    return float((cuts[last] + cuts[last + 1]) / 2) if last + 1 < len(cuts) else 0.0


def _curve(confidence: Floats, right: Bools) -> tuple[Floats, Floats, Floats]:
    """Distinct confidences from high to low, and coverage and risk of answers from there on."""
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    last_of_tie = np.append(np.diff(ranked) != 0, True)
    covered = np.arange(1, len(ranked) + 1)
    wrong = np.cumsum(~right[order])
    return (
        ranked[last_of_tie],
        (covered / len(ranked))[last_of_tie],
        (wrong / covered)[last_of_tie],
    )
