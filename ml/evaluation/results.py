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


class ShareEstimate(_Result):
    """A share of `n` images in `groups` groups, worth `effective_n` independent images.

    Holds all that a bound at any confidence needs: see `ml.evaluation.bounds`.
    """

    estimate: float
    effective_n: float
    n: int
    groups: int


class MeanEstimate(_Result):
    """An estimate of `n` images in `groups` groups with its standard error, as `ShareEstimate`."""

    estimate: float
    standard_error: float
    n: int
    groups: int


class DifferenceEstimate(_Result):
    """Challenger minus incumbent on the same images, as `ShareEstimate`.

    `wins` and `losses` are the shares of images that only the one or only the other got right.
    """

    wins: float
    losses: float
    effective_n: float
    n: int
    groups: int

    @property
    def estimate(self) -> float:
        """The difference between the shares that are right."""
        return self.wins - self.losses


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


class ParityEvidence(_Result):
    """Served (int8) against float model on the same `n` images."""

    flip_rate: float
    critical_sensitivity_loss: float
    n: int


class GateMeasurements(_Result):
    """What the gates judge of one model on one test split; bounds follow from it at any confidence.

    `sensitivity` is by label; labels without images are left out.
    """

    critical_label: str
    images: int
    label_images: dict[str, int]
    accuracy: ShareEstimate
    macro_f1: ShareEstimate
    sensitivity: dict[str, ShareEstimate]
    calibration_error: MeanEstimate


class SliceDifference(_Result):
    """Challenger minus incumbent in accuracy on one slice.

    `even` is what equal answers would have given: it says whether the slice is large enough to
    judge anything.
    """

    dimension: str
    value: str
    accuracy: DifferenceEstimate
    even: DifferenceEstimate


class IncumbentComparison(_Result):
    """Challenger minus incumbent on the same images: paired, by group.

    `incumbent` is None when nothing is in production: then there is nothing to compare.
    `sensitivity` is by label; labels without images are left out.
    """

    incumbent: str | None
    critical_label: str
    accuracy: DifferenceEstimate | None
    sensitivity: dict[str, DifferenceEstimate]
    slices: list[SliceDifference]


class SplitWear(_Result):
    """How often a test split has judged: `use` is 1 for its first candidate.

    `test_split` is the digest of its image ids. `earlier` names the runs that it judged before.
    """

    test_split: str
    use: int
    earlier: list[str]


class Sufficiency(_Result):
    """Can a test split decide at all whether a share reaches its floor?

    `worth` is the number of independent images that it amounts to, `perfect_lower` the bound if
    all answers were right, `power` the chance that a model with the share `expected` passes and
    `needed` the independent images at which that chance is `wanted_power`; None beyond all
    reason.
    """

    name: str
    worth: float
    floor: float
    confidence: float
    expected: float
    perfect_lower: float
    power: float
    wanted_power: float
    needed: int | None

    @property
    def decides(self) -> bool:
        """Whether a good model would probably pass; otherwise pool out-of-fold answers."""
        return self.perfect_lower >= self.floor and self.power >= self.wanted_power


class GateResult(_Result):
    """One gate. `value` is what was compared with `bound`, None without evidence.

    `confidence` is that of the one-sided bound, None where none was taken. A gate that is not
    `blocking` is told and keeps no model back.
    """

    name: str
    verdict: Verdict
    evidence: str
    value: float | None
    bound: float | None
    confidence: float | None = None
    blocking: bool = True

    @property
    def refuses(self) -> bool:
        """Whether this gate keeps the model back."""
        return self.blocking and self.verdict != "pass"


class GateDecision(_Result):
    """`promote` is true exactly when no gate refuses; `reasons` is the evidence of those that do.

    `confidence` is that of all bounds; it rises with the wear of the test split.
    """

    promote: bool
    results: list[GateResult]
    reasons: list[str]
    confidence: float
    wear: SplitWear | None
    sufficiency: list[Sufficiency]
