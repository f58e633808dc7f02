"""Is the challenger no worse than the model in production, for any label and any slice?"""

from ml.evaluation.bounds import difference_lower
from ml.evaluation.gate_results import (
    DifferenceEstimate,
    GateResult,
    IncumbentComparison,
    SliceDifference,
)
from ml.evaluation.verdicts import at_least, missing, percent, sign, weakest
from ml.params import GateParams

_NAMES = (
    "non_inferior_accuracy",
    "non_inferior_critical_sensitivity",
    "non_inferior_classes",
    "non_inferior_slices",
    "slice_sizes",
)


def incumbent_gates(
    incumbent: IncumbentComparison | None, params: GateParams, *, confidence: float
) -> list[GateResult]:
    """Non-inferiority by one-sided lower bounds of paired differences.

    Args:
        confidence: of the one-sided bounds.
    """
    if incumbent is None:
        return [missing(name, "not compared with the model in production") for name in _NAMES]
    if incumbent.incumbent is None:
        first = "no model is in production: nothing to be worse than"
        return [_passed(name, first) for name in _NAMES]
    version, critical = incumbent.incumbent, incumbent.critical_label

    def compare(
        name: str, what: str, difference: DifferenceEstimate | None, margin: float
    ) -> GateResult:
        if difference is None:
            return missing(name, "no image to compare on")
        lower = difference_lower(difference, confidence)
        return at_least(
            name,
            lower,
            -margin,
            f"{what} differs from version {version} by {difference.estimate:+.3f}, "
            f"{percent(confidence)} lower bound {lower:+.3f} {sign(lower >= -margin, '≥')} "
            f"{-margin:+.3f} ({difference.n} images of {difference.groups} groups)",
            confidence=confidence,
        )

    others = [label for label in incumbent.sensitivity if label != critical]
    return [
        compare(_NAMES[0], "accuracy", incumbent.accuracy, params.accuracy_margin),
        compare(
            _NAMES[1],
            f"{critical} sensitivity",
            incumbent.sensitivity.get(critical),
            params.critical_sensitivity_margin,
        ),
        weakest(
            [
                compare(
                    _NAMES[2],
                    f"{label} sensitivity",
                    incumbent.sensitivity[label],
                    params.class_sensitivity_margin,
                )
                for label in others
            ]
            or [missing(_NAMES[2], "no image to compare on")]
        ),
        weakest(
            [
                compare(
                    _NAMES[3], f"accuracy on {_named(part)}", part.accuracy, params.slice_margin
                )
                for part in incumbent.slices
                if _can_judge(part, params, confidence)
            ]
            or [_passed(_NAMES[3], "no slice is large enough to judge")]
        ),
        _slice_sizes(incumbent, params, confidence),
    ]


def _can_judge(part: SliceDifference, params: GateParams, confidence: float) -> bool:
    """Whether equal answers on this slice would leave half of the margin for chance."""
    return difference_lower(part.even, confidence) >= -params.slice_margin / 2


def _slice_sizes(
    incumbent: IncumbentComparison, params: GateParams, confidence: float
) -> GateResult:
    small = [part for part in incumbent.slices if not _can_judge(part, params, confidence)]
    judged = len(incumbent.slices) - len(small)
    named = ", ".join(f"{_named(part)} (n = {part.accuracy.n})" for part in small)
    return GateResult(
        name=_NAMES[4],
        verdict="insufficient" if small else "pass",
        evidence=f"{judged} of {len(incumbent.slices)} slices are large enough to judge"
        + (f"; n too small: {named}" if small else ""),
        value=float(judged),
        bound=float(len(incumbent.slices)),
        confidence=confidence,
        blocking=params.require_slices,
    )


def _named(part: SliceDifference) -> str:
    return f"{part.dimension.replace('_', ' ')} {part.value}"


def _passed(name: str, why: str) -> GateResult:
    return GateResult(name=name, verdict="pass", evidence=why, value=None, bound=None)
