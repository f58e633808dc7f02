"""Is the served file good enough on the honest test split? Bounds decide, not estimates."""

from ml.evaluation.results import EvaluationReport, GateResult
from ml.evaluation.verdicts import (
    at_least,
    at_most,
    lower_bound,
    missing,
    sign,
    too_few,
    upper_bound,
)
from ml.params import GateParams


def quality_gates(report: EvaluationReport | None, params: GateParams) -> list[GateResult]:
    """Enough images, accuracy, macro F1, critical sensitivity, calibration."""
    names = (
        "test_images",
        "critical_images",
        "accuracy",
        "macro_f1",
        "critical_sensitivity",
        "calibration",
    )
    if report is None:
        return [missing(name, "the model was not evaluated on the test split") for name in names]
    critical_n = report.critical_sensitivity.n if report.critical_sensitivity else 0
    confidence = report.confidence
    error, ceiling = report.calibration_error, params.calibration_error_ceiling
    return [
        too_few("test_images", report.images, params.min_test_images, "test images"),
        too_few(
            "critical_images",
            critical_n,
            params.min_critical_images,
            f"{report.critical_label} test images",
        ),
        at_least(
            "accuracy",
            report.accuracy.lower,
            params.accuracy_floor,
            f"accuracy {lower_bound(report.accuracy, confidence)} "
            f"{sign(report.accuracy.lower >= params.accuracy_floor, '≥')} "
            f"floor {params.accuracy_floor:.2f} ({report.images} images)",
        ),
        at_least(
            "macro_f1",
            report.macro_f1.lower,
            params.macro_f1_floor,
            f"macro F1 {lower_bound(report.macro_f1, confidence)} "
            f"{sign(report.macro_f1.lower >= params.macro_f1_floor, '≥')} "
            f"floor {params.macro_f1_floor:.2f} ({report.images} images)",
        ),
        _critical_sensitivity(report, params),
        at_most(
            "calibration",
            error.upper,
            ceiling,
            f"calibration error {upper_bound(error, confidence)} "
            f"{sign(error.upper <= ceiling, '≤')} ceiling {ceiling:.2f} ({error.n} images)",
        ),
    ]


def _critical_sensitivity(report: EvaluationReport, params: GateParams) -> GateResult:
    name, sensitivity = "critical_sensitivity", report.critical_sensitivity
    if sensitivity is None:
        return missing(name, f"no {report.critical_label} image in the test split")
    floor = params.critical_sensitivity_floor
    return at_least(
        name,
        sensitivity.lower,
        floor,
        f"{report.critical_label} sensitivity {lower_bound(sensitivity, report.confidence)} "
        f"{sign(sensitivity.lower >= floor, '≥')} floor {floor:.2f} "
        f"({report.critical_detected} of {sensitivity.n})",
    )
