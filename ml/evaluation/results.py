"""What evaluation hands on, as JSON. Nothing heavy is imported here."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["pass", "refuse", "insufficient"]
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


class ReliabilityBin(_Result):
    """Images whose top probability lies in (lower, upper]: mean probability and share right."""

    lower: float
    upper: float
    n: int
    confidence: float
    accuracy: float


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
    calibration_error: Interval
    refer_rate: float
    accuracy_reported: Interval | None
    per_label: list[LabelMetrics]
    confusion: list[list[int]]
    reliability: list[ReliabilityBin]
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


class ParityEvidence(_Result):
    """Served (int8) against float model on the same `n` images."""

    flip_rate: float
    critical_sensitivity_loss: float
    n: int


class IncumbentComparison(_Result):
    """Challenger minus incumbent on the same images; the lower bounds are one-sided.

    `incumbent` is None when nothing is in production: then there is nothing to compare.
    """

    incumbent: str | None
    accuracy_difference: Interval | None
    critical_sensitivity_difference: Interval | None


class GateResult(_Result):
    """One gate. `value` is what was compared with `bound`, None without evidence."""

    name: str
    verdict: Verdict
    evidence: str
    value: float | None
    bound: float | None


class GateDecision(_Result):
    """`promote` is true exactly when every gate passed; `reasons` is the evidence of the others."""

    promote: bool
    results: list[GateResult]
    reasons: list[str]
