"""POST /feedback."""

from fastapi import APIRouter

from serving.feedback import accept_feedback
from serving.routes import problems
from serving.schemas import FeedbackRequest, FeedbackView
from serving.state import State

router = APIRouter(tags=["feedback"])


@router.post("/feedback", status_code=201, responses=problems(400, 404, 408, 413, 422, 503))
def feedback(state: State, request: FeedbackRequest) -> FeedbackView:
    """Store a person's label for an answered image."""
    with state.slot.lease() as model:
        labels = model.session.bundle.labels
    record = accept_feedback(
        request, labels=labels, outbox=state.outbox, database=state.database, log=state.log
    )
    state.metrics.feedback.labels(record.label).inc()
    return FeedbackView(feedback_id=record.feedback_id, request_id=record.request_id, at=record.at)
