"""What the API takes and gives."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.contract.bundle import AdaptiveVote, InputSpec
from ml.contract.engine_choice import EngineTrial
from ml.contract.records import ModelIdentity, QueueKind

_REQUEST_ID = "6f1d3c9e0b7a4e52a8c4d1f09b6e2a73"
_REVIEW_ID = "0f4c2a9b71d3e586"
_AT = "2026-03-02T09:30:00Z"
_MODEL = {
    "name": "vigie",
    "version": "7",
    "bundle": "b84bd670b34939a2f0c7c7d54f4d7e8b1f5b2a6c9d0e3f41526378495a6b7c8d",
}
_ENGINES = [
    {
        "engine": "onnxruntime",
        "milliseconds": 64.1,
        "difference": 0.0,
        "refused": "slower than openvino-bf16",
    },
    {"engine": "openvino-bf16", "milliseconds": 50.3, "difference": 0.0018, "refused": None},
]
_PREDICTION = {
    "request_id": _REQUEST_ID,
    "label": "benign",
    "probabilities": {"normal": 0.21, "benign": 0.66, "malignant": 0.13},
    "decision": "refer",
    "reasons": ["close to the malignant threshold"],
    "prediction_set": ["normal", "benign"],
    "model": _MODEL,
    "image": {"width": 640, "height": 480},
    "timings_ms": {"queue": 0.2, "decode": 3.1, "preprocess": 1.4, "infer": 41.0, "total": 45.7},
}
_PROBLEM = {
    "type": "urn:vigie:problem:unreadable-image",
    "title": "The image cannot be read",
    "status": 400,
    "detail": "The image is damaged or cut short (OSError).",
    "remedy": "Export it again from its source.",
    "request_id": _REQUEST_ID,
}


class _Schema(BaseModel):
    # A misspelt field would otherwise be ignored in silence.
    model_config = ConfigDict(extra="forbid", frozen=True)


def _with_examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Problem(_Schema):
    """RFC 9457 problem details; `remedy` says what to do, `field` which field is meant.

    `error` repeats `detail` under /v2, where the Open Inference Protocol wants it by that name.
    """

    model_config = _with_examples(_PROBLEM)

    type: str
    title: str
    status: int
    detail: str
    remedy: str = ""
    field: str | None = None
    error: str | None = None
    request_id: str


class ImageView(_Schema):
    """The image as it was read, in pixels."""

    width: int
    height: int


class PredictionView(_Schema):
    """The answer for one image. Not a diagnosis."""

    model_config = _with_examples(_PREDICTION)

    request_id: str
    label: str
    probabilities: dict[str, float]
    decision: Literal["report", "refer"]
    reasons: list[str] = Field(description="why the image is referred to a person")
    prediction_set: list[str] | None = Field(
        None,
        description="labels that hold the true one at the rate the model promises; absent where "
        "the model promises none",
    )
    model: ModelIdentity
    image: ImageView
    timings_ms: dict[str, float]
    heat_map: str | None = Field(
        None,
        description="PNG data URI to lay over the image, stretched to its size; transparent where "
        "nothing spoke for the label; only with explain=true",
    )
    preview: str | None = Field(
        None,
        description="the image as it was read, a JPEG data URI; only with explain=true and for "
        "types that browsers cannot show (DICOM, TIFF)",
    )


class BatchItem(_Schema):
    """One file of a batch, by its place in the request: an answer or a problem."""

    model_config = _with_examples(
        {"index": 0, "result": _PREDICTION}, {"index": 1, "problem": _PROBLEM}
    )

    index: int
    result: PredictionView | None = None
    problem: Problem | None = None


class BatchView(_Schema):
    """One model answered the whole batch."""

    model_config = _with_examples(
        {
            "model": _MODEL,
            "results": [{"index": 0, "result": _PREDICTION}, {"index": 1, "problem": _PROBLEM}],
        }
    )

    model: ModelIdentity
    results: list[BatchItem]


class FeedbackRequest(_Schema):
    """A person's label for an answered image."""

    model_config = _with_examples(
        {
            "request_id": _REQUEST_ID,
            "label": "malignant",
            "author": "Dr. Amal",
            "comment": "irregular margin at the lower edge",
        }
    )

    request_id: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=100)
    author: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    comment: str = Field("", max_length=2000, pattern=r"^[^\x00]*$")


class FeedbackView(_Schema):
    """Where the feedback is kept."""

    model_config = _with_examples(
        {
            "feedback_id": "0a5d8f4be3c94b1fa2d2b6c1f7e90d34",
            "request_id": _REQUEST_ID,
            "at": _AT,
        }
    )

    feedback_id: str
    request_id: str
    at: datetime


class ReviewTurnView(_Schema):
    """Whose turn it is: an image to label, or none. Nothing of the model's answer."""

    model_config = _with_examples(
        {
            "review_id": _REVIEW_ID,
            "labels": ["normal", "benign", "malignant"],
            "waiting": 12,
            "labelled": 4,
            "blinded": True,
        }
    )

    review_id: str | None = Field(description="null where nothing waits for the caller")
    labels: list[str]
    waiting: int = Field(description="images that wait for anybody")
    labelled: int = Field(description="labels that the caller gave since midnight UTC")
    blinded: bool = Field(description="whether the model's answer is shown only after the caller's")


class ReviewLabelRequest(_Schema):
    """A label for the image that the caller was shown."""

    model_config = _with_examples({"label": "benign", "comment": "smooth margin"})

    label: str = Field(min_length=1, max_length=100)
    comment: str = Field("", max_length=2000, pattern=r"^[^\x00]*$")


class ReviewLabelView(_Schema):
    """A label as it is kept; `author` is the name of the key that was used."""

    model_config = _with_examples(
        {
            "review_id": _REVIEW_ID,
            "feedback_id": f"review-{_REVIEW_ID}",
            "label": "benign",
            "author": "Dr. Amal",
            "at": _AT,
            "blinded": True,
        }
    )

    review_id: str
    feedback_id: str
    label: str
    author: str
    at: datetime
    blinded: bool = Field(description="whether the caller had not seen the model's answer")


class RevealedView(_Schema):
    """What the model answered, and why a person was asked."""

    model_config = _with_examples(
        {
            "review_id": _REVIEW_ID,
            "reason": "low_confidence",
            "label": "benign",
            "decision": "refer",
            "reasons": ["low confidence"],
            "probabilities": {"normal": 0.21, "benign": 0.41, "malignant": 0.38},
            "model_version": "7",
            "revealed_at": _AT,
        }
    )

    review_id: str
    reason: QueueKind
    label: str
    decision: Literal["report", "refer"]
    reasons: list[str]
    probabilities: dict[str, float]
    model_version: str
    revealed_at: datetime


class BesideView(_Schema):
    """A model beside the one that answers: a canary with its share of requests, or a shadow."""

    role: Literal["canary", "shadow"]
    version: str
    bundle: str = Field(description="sha256 of the bundle")
    weight: float = Field(description="share of the requests that it answers; 0 for a shadow")
    loaded_at: datetime


class ModelView(_Schema):
    """The model that answers now."""

    model_config = _with_examples(
        {
            **_MODEL,
            "alias": "production",
            "labels": ["normal", "benign", "malignant"],
            "input": {"height": 224, "width": 224, "channels": 1},
            "loaded_at": _AT,
            "engine": "openvino-bf16 2026.4.1",
            "engines": _ENGINES,
        }
    )

    name: str
    version: str
    bundle: str = Field(description="sha256 of the bundle")
    alias: str | None = Field(description="the registry alias followed; null for a folder")
    labels: list[str]
    input: InputSpec
    loaded_at: datetime
    engine: str
    engines: list[EngineTrial] = Field(description="what was tried when the model was loaded")
    adaptive: AdaptiveVote | None = Field(
        None, description="when one member answers for all; null where all always vote"
    )
    beside: list[BesideView] = Field(
        default_factory=list, description="the canary and the shadow, where there are any"
    )


class HealthView(_Schema):
    """`reasons` is empty exactly when all is well."""

    model_config = _with_examples(
        {"status": "ready", "reasons": []},
        {"status": "not ready", "reasons": ["No model is loaded."]},
    )

    status: Literal["live", "ready", "not ready"]
    reasons: list[str] = Field(default_factory=list)
