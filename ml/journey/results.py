"""What the stages of a training run return: small, JSON-ready, safe to pass between processes."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ml.evaluation.results import Interval, PaperComparison


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunInfo(_Result):
    """A started training run. `incumbent_*` describe what was in production when it started."""

    run_key: str
    dataset_id: str
    members: list[str]
    initialisation: str
    reason: str
    git_commit: str
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
