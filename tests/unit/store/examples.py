"""Records to store."""

from datetime import UTC, datetime, timedelta

from ml.contract.quality import ImageStatistics
from ml.contract.records import FeedbackRecord, ModelIdentity, PredictionRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

STATISTICS = ImageStatistics(
    width=200,
    height=100,
    mean=80.5,
    std=21.25,
    contrast=190.0,
    entropy=6.5,
    sharpness=412.0625,
    black_share=0.125,
    white_share=0.0,
    colourfulness=0.0,
)


def prediction(request_id: str, **changes: object) -> PredictionRecord:
    values: dict[str, object] = {
        "request_id": request_id,
        "at": NOON,
        "channel": "predict",
        "image_id": "ab" * 32,
        "model": ModelIdentity(name="vigie", version="3", bundle="cd" * 32),
        "label": "malignant",
        "action": "refer",
        "reasons": ["low confidence"],
        "probabilities": {"normal": 0.1, "benign": 0.2, "malignant": 0.7},
        "embedding": [0.1, -1.5, 2.25],
        "statistics": STATISTICS,
        "total_ms": 12.75,
    }
    return PredictionRecord.model_validate(values | changes)


def feedback(feedback_id: str, request_id: str, **changes: object) -> FeedbackRecord:
    values: dict[str, object] = {
        "feedback_id": feedback_id,
        "request_id": request_id,
        "at": NOON + timedelta(hours=1),
        "label": "benign",
        "author": "Dr. Nour",
        "comment": "smooth margin",
    }
    return FeedbackRecord.model_validate(values | changes)
