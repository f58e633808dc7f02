"""What monitoring hands on, as JSON. Nothing heavy is imported here."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ml.evaluation.results import Interval
from ml.store.traffic import ShadowTally, Tally

SignalKind = Literal[
    "image", "embedding", "score", "answer", "referral", "quality", "origin", "label_shift"
]
TestName = Literal["kolmogorov_smirnov", "chi_square", "wald"]
DriftState = Literal["quiet", "drifted", "insufficient"]
CanaryState = Literal["equal", "withdraw", "insufficient"]
RetrainTrigger = Literal["drift", "labels", "performance"]


class _Result(BaseModel):
    # A report of another schema is refused rather than half understood.
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignalDrift(_Result):
    """One tested signal.

    `effect` is a distance of 0…1: the largest difference of the cumulative shares of a number, or
    half the sum of the differences of the shares of a category. `adjusted_p_value` is the least
    false discovery rate at which this signal is among the discoveries. `drifted`: it is within the
    reviewed rate and `effect` reaches `floor`. `effect_lower` and `effect_upper` say how far a
    signal that moved may have moved; records of earlier releases have none.

    `reference` and `current` are means of a number, and the share of the referred or rejected;
    None where one number does not tell. `reference_worth` and `current_worth` are the independent
    images behind the test.
    """

    name: str
    kind: SignalKind
    test: TestName
    statistic: float
    p_value: float
    adjusted_p_value: float
    effect: float
    effect_lower: float | None = None
    effect_upper: float | None = None
    floor: float
    drifted: bool
    reference: float | None
    current: float | None
    reference_worth: float
    current_worth: float


class SliceDrift(_Result):
    """The images of one site or scanner against those of the same one in the reference.

    `moved` are the signals that drifted, of `tested`. `insufficient` says in `reason` which side
    has too few images.
    """

    dimension: Literal["site", "scanner"]
    value: str
    images: int
    reference_images: int
    state: DriftState
    tested: int
    moved: list[SignalDrift]
    reason: str


class LabelShare(_Result):
    """Share of images answered with this label."""

    label: str
    reference: float
    current: float


class LabelPrevalence(_Result):
    """Share of images whose true label this is: counted in the reference, estimated in the window
    as if nothing but the mix of labels had changed."""

    label: str
    reference: float
    current: Interval


class LabelShift(_Result):
    """Estimate of the mix of true labels. `unidentifiable`: the answers do not tell the labels
    apart well enough; `insufficient`: a label has too few images in the reference."""

    state: Literal["ok", "insufficient", "unidentifiable"]
    prevalence: list[LabelPrevalence]
    reason: str


class Exemplar(_Result):
    """An image that is typical of what moved, by its id alone; `signals` say in what."""

    image_id: str
    signals: list[str]


class ReferenceFacts(_Result):
    """What a window is held against: validation images of the bundle that answered.

    `groups` are independent ones (patients with their look-alikes), None where the bundle does not
    tell. `embedding_images` did not fit the embedding's projection.
    """

    bundle: str
    dataset_id: str
    created_at: AwareDatetime
    images: int
    groups: int | None
    embedding_images: int


class WindowFacts(_Result):
    """What was judged. `distinct` images were answered `images` times, which together are worth
    `effective` independent ones. `drawn` of them are on Evidently's page."""

    start: AwareDatetime
    end: AwareDatetime
    images: int
    distinct: int
    effective: float
    drawn: int


class DriftResult(_Result):
    """One window against the reference of the model that answered in it.

    `drifted` when any signal moved, of all images or of a slice; they were corrected for their
    number at `false_discovery_rate`. Without enough images the state is `insufficient` and
    nothing is tested. `drifted_share` is of the signals of all images. `report` is the path of the
    HTML page, once written.
    """

    report_id: str
    model_version: str
    reference: ReferenceFacts
    window: WindowFacts
    state: DriftState
    false_discovery_rate: float
    drifted_share: float
    signals: list[SignalDrift]
    slices: list[SliceDrift]
    label_shares: list[LabelShare]
    label_shift: LabelShift | None
    exemplars: list[Exemplar]
    reason: str
    report: str | None = None

    @property
    def moved(self) -> list[SignalDrift]:
        """The signals of all images that drifted."""
        return [signal for signal in self.signals if signal.drifted]


class MeasuredPerformance(_Result):
    """Answers against labels that people sent back. Metrics are None where `state` says so.

    Half of the labels came within `label_delay_hours`, 95 % within `label_delay_hours_95`.
    `overconfidence` is mean confidence minus accuracy.
    """

    state: Literal["ok", "insufficient"]
    answered: int
    labelled: int
    critical_labelled: int
    accuracy: Interval | None
    critical_sensitivity: Interval | None
    critical_specificity: Interval | None
    calibration_error: Interval | None
    overconfidence: Interval | None
    label_delay_hours: float | None
    label_delay_hours_95: float | None
    reason: str


class EstimatedPerformance(_Result):
    """What labels would show if every answer of the window had one, from confidence alone.

    `doubts` name what speaks against the assumption that a confidence still means what it meant on
    the reference.
    """

    state: Literal["ok", "insufficient"]
    images: int
    accuracy: Interval | None
    critical_sensitivity: Interval | None
    critical_specificity: Interval | None
    doubts: list[str]
    reason: str


class EstimateCheck(_Result):
    """An estimate for the labelled answers of an earlier window, beside what their labels say."""

    report_id: str
    metric: Literal["accuracy", "critical_sensitivity", "critical_specificity"]
    estimated: Interval
    realised: float
    inside: bool


class LatePerformance(_Result):
    """An earlier window that ended at `end`, measured with the labels that are known by now."""

    report_id: str
    end: AwareDatetime
    measured: MeasuredPerformance


class PerformanceResult(_Result):
    """How good the answers of a window are: measured, estimated, and how good estimates were.

    `late` are the earlier windows that enough labels came for, oldest first.
    """

    critical_label: str
    measured: MeasuredPerformance
    estimated: EstimatedPerformance
    checks: list[EstimateCheck]
    late: list[LatePerformance] = []


class Period(_Result):
    """What one report said, as far as two versions are compared by it."""

    report_id: str
    model_version: str
    start: AwareDatetime
    end: AwareDatetime
    state: DriftState
    images: int
    moved: int
    tested: int
    labelled: int
    refer_share: float | None
    measured_sensitivity: Interval | None
    estimated_sensitivity: Interval | None


class VersionStart(_Result):
    """How a version came into production, as the ledger tells it."""

    version: str
    bundle: str
    replaced: str | None
    at: AwareDatetime
    by: Literal["promote", "rollback"]
    trigger: str
    reason: str


class SinceVersion(_Result):
    """Whether the version in production ended the drift that its predecessor saw.

    `before` is the predecessor's newest quiet window ahead of `during`, its newest drifted one;
    None where there is none. `change` is that of measured sensitivity from `during` to now.

    `removed`: no signal moves and measured sensitivity surely rose. `quiet`: no signal moves, and
    what that did for sensitivity cannot be told. `persists`: signals still move. `worse`: measured
    sensitivity surely fell. `undecided`: too few images. `nothing`: the predecessor saw no drift.
    """

    start: VersionStart
    before: Period | None
    during: Period | None
    now: Period
    change: Interval | None
    verdict: Literal["removed", "quiet", "persists", "worse", "undecided", "nothing"]
    text: str


class WatchReport(_Result):
    """All that one look at a window found: the record of it. `since` is None where the ledger does
    not tell how the version came into production."""

    drift: DriftResult
    performance: PerformanceResult
    since: SinceVersion | None = None


class Mark(_Result):
    """Something that happened to the model, for the trend. `version` came into production."""

    at: AwareDatetime
    kind: Literal["retrain", "promote", "rollback"]
    version: str | None
    text: str


class Trend(_Result):
    """Reports of a year, oldest first, and what happened meanwhile. `page` is the path of the HTML
    page, once written."""

    critical_label: str
    periods: list[Period]
    marks: list[Mark]
    page: str | None = None


class RetrainReason(_Result):
    """One reason for a new model, and the reports that give it."""

    trigger: RetrainTrigger
    text: str
    report_ids: list[str]


class RetrainDecision(_Result):
    """Whether a new model is asked for. `reasons` are those that hold, also where the cool-down
    keeps the request back; the first is the `trigger`. `new_labels` were given since the last.
    `report_id` is the newest report's, None where there is none."""

    retrain: bool
    trigger: RetrainTrigger | None
    reasons: list[RetrainReason]
    reason: str
    decided_at: AwareDatetime
    new_labels: int
    report_id: str | None = None


class ShareShift(_Result):
    """A share of the canary's images beside production's, and bounds of the difference."""

    name: str
    production: float
    canary: float
    lower: float
    upper: float
    margin: float
    moved: bool


class CanaryVerdict(_Result):
    """Whether the canary may stay; `reasons` are sentences, empty where all is equal."""

    state: CanaryState
    reasons: list[str]
    shifts: list[ShareShift]


class GuardResult(_Result):
    """What one look of the guard found and did.

    `version` is None where there is no canary. `production` and `canary` count what was compared,
    `shadow` the shadow's findings, where there is one.
    """

    version: str | None = None
    withdrawn: bool = False
    verdict: CanaryVerdict | None = None
    production: Tally | None = None
    canary: Tally | None = None
    shadow: ShadowTally | None = None
