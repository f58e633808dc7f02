"""May one member answer for all? Only where no critical image is lost by it."""

from ml.evaluation.bounds import difference_lower
from ml.evaluation.gate_results import AdaptiveComparison, DifferenceEstimate, GateResult
from ml.evaluation.verdicts import at_least, at_most, missing, percent, sign, weakest
from ml.params import GateParams

_NAME = "adaptive_vote"


def adaptive_gate(
    adaptive: AdaptiveComparison | None, params: GateParams, *, confidence: float
) -> GateResult:
    """As many critical images called so, as many called so or referred, and few answers changed.

    The first two by lower bounds of paired differences with the vote of all members.

    Args:
        confidence: of the one-sided bounds.
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
    label, most, margin = adaptive.critical_label, params.max_flip_rate, params.adaptive_margin
    alone = f"{adaptive.first} answers alone on {adaptive.stopped:.0%} of the images"

    def compare(what: str, difference: DifferenceEstimate | None) -> GateResult:
        if difference is None:
            return missing(_NAME, f"no {label} image to compare on")
        lower = difference_lower(difference, confidence)
        return at_least(
            _NAME,
            lower,
            -margin,
            f"{alone}; the share of {label} images {what} differs from that of all members by "
            f"{difference.estimate:+.3f}, {percent(confidence)} lower bound {lower:+.4f} "
            f"{sign(lower >= -margin, '≥')} {-margin:+.3f} "
            f"({difference.n} images of {difference.groups} groups)",
            confidence=confidence,
        )

    return weakest(
        [
            compare("called so", adaptive.critical_sensitivity),
            compare("called so or referred", adaptive.critical_seen),
            at_most(
                _NAME,
                adaptive.changed,
                most,
                f"{alone}, which changes {adaptive.changed:.2%} of the answers "
                f"{sign(adaptive.changed <= most, '≤')} {most:.2%}",
            ),
        ]
    )
