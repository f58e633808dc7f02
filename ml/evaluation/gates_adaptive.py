"""May one member answer for all? Only where no critical image is lost by it."""

from ml.evaluation.bounds import difference_lower
from ml.evaluation.gate_results import AdaptiveComparison, GateResult
from ml.evaluation.verdicts import at_least, missing, percent, sign
from ml.params import GateParams

_NAME = "adaptive_critical_sensitivity"


def adaptive_gate(
    adaptive: AdaptiveComparison | None, params: GateParams, *, confidence: float
) -> GateResult:
    """Equal sensitivity to the critical label, by the lower bound of the paired difference.

    Args:
        confidence: of the one-sided bound.
    """
    if adaptive is None:
        return missing(_NAME, "the adaptive vote was not compared with that of all members")
    if adaptive.first is None:
        return GateResult(
            name=_NAME,
            verdict="pass",
            evidence="all members answer every image",
            value=None,
            bound=None,
        )
    difference, margin = adaptive.critical_sensitivity, params.adaptive_margin
    if difference is None:
        return missing(_NAME, f"no {adaptive.critical_label} image to compare on")
    lower = difference_lower(difference, confidence)
    return at_least(
        _NAME,
        lower,
        -margin,
        f"{adaptive.first} answers alone on {adaptive.stopped:.0%} of the images, which changes "
        f"{adaptive.changed:.2%} of the answers; {adaptive.critical_label} sensitivity differs "
        f"from that of all members by {difference.estimate:+.3f}, {percent(confidence)} lower "
        f"bound {lower:+.4f} {sign(lower >= -margin, '≥')} {-margin:+.3f} "
        f"({difference.n} images of {difference.groups} groups)",
        confidence=confidence,
    )
