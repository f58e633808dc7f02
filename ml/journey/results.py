"""What the stages of a training run return: small, JSON-ready, safe to pass between processes."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

from ml.evaluation.results import Interval, PaperComparison


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Trigger = Literal["manual", "schedule", "event", "drift", "labels", "performance"]
"""What starts a run: a person, the calendar, an event without a reason, or monitoring's reason."""


class Cause(_Result):
    """Why a run is started; `report_ids` are the monitoring reports that ask for it. `started_by`
    is the person who did, empty for none."""

    reason: str
    trigger: Trigger = "manual"
    report_ids: list[str] = []
    started_by: str = ""


class RunInfo(_Result):
    """A started training run. `incumbent_*` describe what was in production when it started.

    `reason`, `trigger`, `report_ids` and `started_by` are those of its `Cause`.
    """

    run_key: str
    dataset_id: str
    members: list[str]
    initialisation: str
    reason: str
    trigger: Trigger = "manual"
    report_ids: list[str] = []
    started_by: str = ""
    git_commit: str
    lock_sha256: str = "unknown"
    started_at: datetime
    incumbent_version: str | None
    incumbent_run_key: str | None
    mlflow_run_id: str
    mlflow_url: str


class EvaluationSummary(_Result):
    """The headline of an evaluation on the test split; the whole of it is in `report_path`."""

    run_key: str
    headline: dict[str, Interval]
    images: int
    groups: int
    calibration_error: float
    refer_rate: float
    paper: list[PaperComparison]
    report_path: str
    incumbent_version: str | None


class MemberMatch(_Result):
    """One member, as registered and as rebuilt; log loss on the validation split, in nats."""

    member: str
    same_weights: bool
    recorded_log_loss: float
    rebuilt_log_loss: float


class MetricMatch(_Result):
    """One test metric, as registered and as rebuilt."""

    name: str
    recorded: float
    rebuilt: float


class Reproduction(_Result):
    """A registered version beside its rebuilt twin; `warnings` say what differed beforehand."""

    version: str
    run_key: str
    members: list[MemberMatch]
    metrics: list[MetricMatch]
    warnings: list[str]

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented use
    @property
    def same(self) -> bool:
        """Whether all weights and all metrics are equal."""
        return all(member.same_weights for member in self.members) and all(
            metric.recorded == metric.rebuilt for metric in self.metrics
        )
