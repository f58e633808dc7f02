"""Is the served file good enough on the honest test split? Bounds decide, not estimates."""

from ml.evaluation.bounds import mean_upper, share_lower
from ml.evaluation.gate_results import GateMeasurements, GateResult, ShareEstimate
from ml.evaluation.verdicts import at_least, at_most, missing, percent, sign, too_few, weakest
from ml.params import GateParams

_NAMES = (
    "test_images",
    "critical_images",
    "class_images",
    "accuracy",
    "macro_f1",
    "critical_sensitivity",
    "class_sensitivity",
    "calibration",
)


def quality_gates(
    measured: GateMeasurements | None, params: GateParams, *, confidence: float
) -> list[GateResult]:
    """Enough images, accuracy, macro F1, sensitivity of each label, calibration.

    Args:
        confidence: of the one-sided bounds.
    """
    if measured is None:
        return [missing(name, "the model was not evaluated on the test split") for name in _NAMES]
    critical = measured.critical_label
    images = measured.label_images
    others = [label for label in images if label != critical]
    return [
        too_few("test_images", measured.images, params.min_test_images, "test images"),
        too_few(
            "critical_images", images[critical], params.min_critical_images, f"{critical} images"
        ),
        weakest(
            [
                too_few("class_images", images[label], params.min_class_images, f"{label} images")
                for label in others
            ]
        ),
        _floor("accuracy", "accuracy", measured.accuracy, params.accuracy_floor, confidence),
        _floor("macro_f1", "macro F1", measured.macro_f1, params.macro_f1_floor, confidence),
        _sensitivity(
            "critical_sensitivity",
            measured,
            critical,
            params.critical_sensitivity_floor,
            confidence,
        ),
        weakest(
            [
                _sensitivity(
                    "class_sensitivity", measured, label, params.class_sensitivity_floor, confidence
                )
                for label in others
            ]
        ),
        _calibration(measured, params, confidence),
    ]


def _floor(
    name: str, what: str, share: ShareEstimate, floor: float, confidence: float
) -> GateResult:
    lower = share_lower(share, confidence)
    return at_least(
        name,
        lower,
        floor,
        f"{what} {share.estimate:.3f}, {percent(confidence)} lower bound {lower:.3f} "
        f"{sign(lower >= floor, '≥')} floor {floor:.2f} "
        f"({share.n} images of {share.groups} groups)",
        confidence=confidence,
    )


def _sensitivity(
    name: str, measured: GateMeasurements, label: str, floor: float, confidence: float
) -> GateResult:
    share = measured.sensitivity.get(label)
    if share is None:
        return missing(name, f"no {label} image in the test split")
    return _floor(name, f"{label} sensitivity", share, floor, confidence)


def _calibration(measured: GateMeasurements, params: GateParams, confidence: float) -> GateResult:
    error, ceiling = measured.calibration_error, params.calibration_error_ceiling
    upper = mean_upper(error, confidence)
    return at_most(
        "calibration",
        upper,
        ceiling,
        f"calibration error {error.estimate:.3f}, {percent(confidence)} upper bound {upper:.3f} "
        f"{sign(upper <= ceiling, '≤')} ceiling {ceiling:.2f} ({error.n} images)",
        confidence=confidence,
    )
