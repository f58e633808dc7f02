"""What the API takes and gives."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.contract.bundle import InputSpec
from ml.contract.records import ModelIdentity
from serving.problems import Problem


class _Schema(BaseModel):
    # A misspelt field would otherwise be ignored in silence.
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageView(_Schema):
    """The image as it was read, in pixels."""

    width: int
    height: int


class PredictionView(_Schema):
    """The answer for one image. Not a diagnosis."""

    request_id: str
    label: str = Field(examples=["benign"])
    probabilities: dict[str, float] = Field(
        examples=[{"normal": 0.05, "benign": 0.85, "malignant": 0.1}]
    )
    decision: Literal["report", "refer"]
    reasons: list[str] = Field(examples=[[]], description="why the image is referred to a person")
    prediction_set: list[str] | None = Field(
        None,
        examples=[["benign"]],
        description="labels that hold the true one at the rate the model promises; absent where "
        "the model promises none",
    )
    model: ModelIdentity
    image: ImageView
    timings_ms: dict[str, float]
    heat_map: str | None = Field(None, description="PNG data URI; only with explain=true")


class BatchItem(_Schema):
    """One file of a batch, by its place in the request: an answer or a problem."""

    index: int
    result: PredictionView | None = None
    problem: Problem | None = None


class BatchView(_Schema):
    """One model answered the whole batch."""

    model: ModelIdentity
    results: list[BatchItem]


class FeedbackRequest(_Schema):
    """A person's label for an answered image."""

    request_id: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=100)
    author: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    comment: str = Field("", max_length=2000, pattern=r"^[^\x00]*$")


class FeedbackView(_Schema):
    """Where the feedback is kept."""

    feedback_id: str
    request_id: str
    at: datetime


class ModelView(_Schema):
    """The model that answers now."""

    name: str
    version: str
    bundle: str = Field(description="sha256 of the bundle")
    alias: str | None = Field(description="the registry alias followed; null for a folder")
    labels: list[str]
    input: InputSpec
    loaded_at: datetime
    engine: str = Field(examples=["onnxruntime 1.31.1"])


class HealthView(_Schema):
    """`reasons` is empty exactly when all is well."""

    status: Literal["live", "ready", "not ready"]
    reasons: list[str] = Field(default_factory=list)
