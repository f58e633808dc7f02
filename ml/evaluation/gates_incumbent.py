"""Is the challenger no worse than the model in production?"""

from ml.evaluation.results import GateResult, IncumbentComparison
from ml.evaluation.verdicts import at_least, missing, sign
from ml.params import GateParams


def incumbent_gates(incumbent: IncumbentComparison | None, params: GateParams) -> list[GateResult]:
    """Non-inferiority in accuracy and critical sensitivity, by one-sided lower bounds."""
    names = ("non_inferior_accuracy", "non_inferior_critical_sensitivity")
    if incumbent is None:
        return [missing(name, "not compared with the model in production") for name in names]
    if incumbent.incumbent is None:
        first = "no model is in production: nothing to be worse than"
        return [
            GateResult(name=name, verdict="pass", evidence=first, value=None, bound=None)
            for name in names
        ]
    results = []
    for name, what, difference, margin in (
        (names[0], "accuracy", incumbent.accuracy_difference, params.accuracy_margin),
        (
            names[1],
            "critical sensitivity",
            incumbent.critical_sensitivity_difference,
            params.critical_sensitivity_margin,
        ),
    ):
        if difference is None:
            results.append(missing(name, "no image to compare on"))
            continue
        results.append(
            at_least(
                name,
                difference.lower,
                -margin,
                f"{what} differs from version {incumbent.incumbent} by {difference.estimate:+.3f}, "
                f"lower bound {difference.lower:+.3f} {sign(difference.lower >= -margin, '≥')} "
                f"{-margin:+.3f} ({difference.n} images)",
            )
        )
    return results
