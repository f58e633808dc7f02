"""What monitoring hands on, as JSON. Nothing heavy is imported here."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ml.evaluation.results import Interval
from ml.store.traffic import ShadowTally, Tally

SignalKind = Literal["image", "embedding", "score", "answer"]
DriftState = Literal["quiet", "drifted", "insufficient"]
CanaryState = Literal["equal", "withdraw", "insufficient"]


class _Result(BaseModel):
    # A report of another schema is refused rather than half understood.
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignalDrift(_Result):
    """One measured signal. `limit` is what its score had to pass to count as moved.

    `reference` and `current` are means, None for the answers, which are not numbers.
    """

    name: str
    kind: SignalKind
    score: float
    limit: float
    drifted: bool
    reference: float | None
    current: float | None


class LabelShare(_Result):
    """Share of images answered with this label."""

    label: str
    reference: float
    current: float


class DriftResult(_Result):
    """One window against the reference of the model that answered in it.

    `images` counts the window, `reference_images` the reference. Without enough images the state
    is `insufficient` and nothing is measured. `report` is the path of the HTML page, once written.
    """

    report_id: str
    model_version: str
    window_start: AwareDatetime
    window_end: AwareDatetime
    images: int
    reference_images: int
    state: DriftState
    statistic: str
    drifted_share: float
    signals: list[SignalDrift]
    label_shares: list[LabelShare]
    reason: str
    report: str | None = None


class PerformanceResult(_Result):
    """Answers against labels that people sent back. Metrics are None where `state` says so."""

    answered: int
    labelled: int
    state: Literal["ok", "insufficient"]
    critical_label: str
    accuracy: Interval | None
    critical_sensitivity: Interval | None
    label_delay_hours: float | None
    reason: str


class RetrainDecision(_Result):
    """Whether a new model is asked for. `drifted_windows` are the report ids that count."""

    retrain: bool
    reason: str
    decided_at: AwareDatetime
    drifted_windows: list[str]


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
