"""The experiments side by side, as they are kept in JSON. Nothing heavy is imported here."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ml.evaluation.results import Interval

Part = Literal["experiments", "ablation"]
Finding = Literal["better", "worse", "no change", "not shown"]

HEADLINE = ("accuracy", "macro_f1", "critical_sensitivity", "critical_precision", "critical_auc")
"""The metrics for which there is room where all rows are seen at once."""


class _Result(BaseModel):
    # A table of another schema is refused rather than half understood.
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExperimentMetrics(_Result):
    """One model on the test split, or the difference of two. None where no image could tell.

    `critical_*` take the critical label against the others; `macro_auc` is the mean over labels
    of one against the others.
    """

    accuracy: Interval
    macro_f1: Interval
    critical_sensitivity: Interval | None
    critical_precision: Interval | None
    critical_auc: Interval | None
    macro_auc: Interval | None

    def intervals(self) -> dict[str, Interval]:
        """Metrics by name, those without evidence left out."""
        return {name: value for name, value in self if value is not None}


class Difference(_Result):
    """A row minus the row `against`, answer by answer on the same images."""

    against: str
    metrics: ExperimentMetrics

    def finding(self, metric: str) -> Finding | None:
        """What the interval of one metric's difference shows; None where it is not measurable."""
        interval: Interval | None = getattr(self.metrics, metric)
        if interval is None:
            return None
        if interval.lower == interval.upper == 0:
            return "no change"
        if interval.lower > 0:
            return "better"
        return "worse" if interval.upper < 0 else "not shown"


class ExperimentRow(_Result):
    """One model on the test split.

    `run` is the child run it is logged to: two rows may share one. `latency_ms` is one image on
    one thread, median; `size_mb` (MiB) are the files that answer; `train_seconds` wall time, of
    all members of a vote.
    """

    name: str
    title: str
    description: str
    part: Part
    run: str
    metrics: ExperimentMetrics
    difference: Difference | None
    size_mb: float
    latency_ms: float
    train_seconds: float


class FailedExperiment(_Result):
    """A model that could not be trained: what it was to be, and the `reason` with its remedy."""

    name: str
    title: str
    description: str
    part: Part
    run: str
    reason: str


Row = ExperimentRow | FailedExperiment


class ExperimentTable(_Result):
    """All rows in the order in which they were tried, on `images` test images."""

    dataset_id: str
    images: int
    groups: int
    critical_label: str
    critical_images: int
    confidence: float
    rows: list[Row]

    @property
    def measured(self) -> list[ExperimentRow]:
        """The rows that hold measurements."""
        return [row for row in self.rows if isinstance(row, ExperimentRow)]

    @property
    def failed(self) -> list[FailedExperiment]:
        """The rows of models that could not be trained."""
        return [row for row in self.rows if isinstance(row, FailedExperiment)]

    def part(self, part: Part) -> list[Row]:
        """The rows of one part."""
        return [row for row in self.rows if row.part == part]

    def titles(self) -> dict[str, str]:
        """What each metric is called before people, in the order of columns."""
        critical = self.critical_label
        return {
            "accuracy": "accuracy",
            "macro_f1": "macro-F1",
            "critical_sensitivity": f"{critical} sensitivity",
            "critical_precision": f"{critical} precision",
            "critical_auc": f"{critical} AUC",
            "macro_auc": "macro AUC",
        }
