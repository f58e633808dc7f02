"""What one model's evaluation hands on, as JSON. Nothing heavy is imported here."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

SliceState = Literal["ok", "insufficient"]


class _Result(BaseModel):
    # A report of another schema is refused rather than half understood.
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Result):
    """An estimate with its confidence bounds, from `n` images."""

    estimate: float
    lower: float
    upper: float
    n: int


class LabelMetrics(_Result):
    """One label against the others. None where no image could tell.

    `n` counts the images whose true label this is; `sensitivity` is over them, `specificity`
    over the others, `precision` over the images that were given this label.
    """

    label: str
    n: int
    sensitivity: Interval | None
    specificity: Interval | None
    precision: Interval | None
    auc: Interval | None
    average_precision: Interval | None


class ReliabilityBin(_Result):
    """Images whose top probability lies in (lower, upper]: mean probability and share right."""

    lower: float
    upper: float
    n: int
    confidence: float
    accuracy: float


class RiskPoint(_Result):
    """Answers with at least `confidence`: their share of all, and the share of them wrong."""

    coverage: float
    risk: float
    confidence: float


class SelectiveRisk(_Result):
    """Risk over coverage, most confident answers first; `area` is the mean risk (AURC)."""

    points: list[RiskPoint]
    area: float


class ClassCoverage(_Result):
    """How often the prediction set holds the true label, over the `n` images of that label.

    `calibrated` is false where validation had too few images for a quantile: such a label is in
    every set, so its coverage says nothing.
    """

    label: str
    n: int
    calibrated: bool
    coverage: Interval | None


class ConformalReport(_Result):
    """Prediction sets that aim to miss the true label of any class at most at rate `error`.

    `singles` and `empty` are the shares of sets with one label and with none.
    """

    error: float
    coverage: Interval
    per_label: list[ClassCoverage]
    mean_set_size: float
    singles: float
    empty: float


class SliceResult(_Result):
    """One part of the test images, e.g. one scanner. Metrics are None where `n` is too small."""

    dimension: str
    value: str
    n: int
    critical_n: int
    state: SliceState
    accuracy: Interval | None
    critical_sensitivity: Interval | None


class PaperComparison(_Result):
    """The same member on the honest (group-disjoint) and on a random image-level split."""

    member: str
    honest_accuracy: float
    honest_macro_f1: float
    paper_accuracy: float
    paper_macro_f1: float


class EvaluationReport(_Result):
    """One model on one set of images. `confusion` rows are truth, columns are answers.

    `accuracy_reported` is over the images that were not referred for low confidence or closeness
    to the critical threshold; `refer_rate` is the share of those that were.
    `sensitivity_at_specificity` is of the critical label at the threshold at which `specificity`
    of the other images are not given it.
    """

    labels: list[str]
    critical_label: str
    confidence: float
    images: int
    groups: int
    accuracy: Interval
    macro_f1: Interval
    critical_sensitivity: Interval | None
    critical_detected: int
    specificity: float
    sensitivity_at_specificity: Interval | None
    calibration_error: Interval
    refer_rate: float
    accuracy_reported: Interval | None
    per_label: list[LabelMetrics]
    confusion: list[list[int]]
    reliability: list[ReliabilityBin]
    selective: SelectiveRisk
    conformal: ConformalReport | None
    slices: list[SliceResult]
    paper: list[PaperComparison]

    def headline(self) -> dict[str, Interval]:
        """The numbers that are compared between runs, by name; unmeasurable ones left out."""
        measured = {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "critical_sensitivity": self.critical_sensitivity,
        }
        return {name: interval for name, interval in measured.items() if interval is not None}
