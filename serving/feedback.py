"""People's labels for answered images."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from ml.contract.errors import NotFound
from ml.contract.records import FeedbackRecord
from ml.store.predictions import holds_prediction
from serving.answers import new_id
from serving.errors import InvalidRequest
from serving.outbox import Outbox
from serving.prediction_log import PredictionLog
from serving.schemas import FeedbackRequest


def accept_feedback(
    request: FeedbackRequest,
    *,
    labels: list[str],
    outbox: Outbox,
    database: Engine,
    log: PredictionLog,
) -> FeedbackRecord:
    """Check and store; the record is on disk when this returns.

    Raises:
        InvalidRequest: the label is not one of `labels`.
        NotFound: no image was answered under that request id.
        Unavailable: neither outbox nor database can say, or the record cannot be stored.
    """
    if request.label not in labels:
        raise InvalidRequest(
            f"{request.label} is not a label.",
            remedy=f"Choose one of {', '.join(labels)}.",
            details={"field": "label"},
        )
    if not _was_answered(request.request_id, outbox, database):
        raise NotFound(
            "No image was answered under this request_id.",
            remedy="Send the request_id of an answer.",
            details={"field": "request_id"},
        )
    record = FeedbackRecord(feedback_id=new_id(), at=datetime.now(UTC), **request.model_dump())
    log.record_feedback(record)
    return record


def _was_answered(request_id: str, outbox: Outbox, database: Engine) -> bool:
    # In this order: a row leaves the outbox only after it is in the database.
    if outbox.holds(request_id):
        return True
    return holds_prediction(database, request_id)
