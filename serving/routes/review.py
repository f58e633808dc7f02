"""/v1/review: the queue of images that persons label."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from ml.store import review_queue
from serving import review
from serving.routes import problems
from serving.schemas import (
    RevealedView,
    ReviewLabelRequest,
    ReviewLabelView,
    ReviewTurnView,
)
from serving.state import State

router = APIRouter(prefix="/v1/review", tags=["review"])
_Identity = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="its review_id")]
_PNG: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "description": "the image, pixels only",
    }
}


def _person(request: Request) -> str:
    return str(getattr(request.state, "owner", review.LOCAL))


@router.post("/next", responses=problems(503))
def next_image(state: State, request: Request) -> ReviewTurnView:
    """The image to look at next, held for the caller for a quarter of an hour."""
    item, progress = review.next_turn(state.database, _person(request))
    with state.slot.lease() as model:
        labels = model.session.bundle.labels
    return ReviewTurnView(
        review_id=item.review_id if item else None,
        labels=labels,
        waiting=progress.waiting,
        labelled=progress.labelled,
        blinded=state.settings.review_blinded,
    )


@router.get(
    "/{review_id}/image",
    responses={**problems(404, 422, 503), **_PNG},
    response_class=Response,
)
def image(state: State, request: Request, review_id: _Identity) -> Response:
    """The pixels of an image that the caller was shown."""
    png = review.pixels_of(state.database, review_id, _person(request))
    return Response(png, media_type="image/png")


@router.post(
    "/{review_id}/label", status_code=201, responses=problems(400, 404, 408, 409, 413, 422, 503)
)
def label(
    state: State, request: Request, review_id: _Identity, given: ReviewLabelRequest
) -> ReviewLabelView:
    """Label an image that the caller was shown."""
    with state.slot.lease() as model:
        labels = model.session.bundle.labels
    record = review.label(
        state.database,
        review_id,
        _person(request),
        label=given.label,
        comment=given.comment,
        labels=labels,
    )
    state.metrics.feedback.labels(record.label).inc()
    return ReviewLabelView(
        review_id=review_id,
        feedback_id=record.feedback_id,
        label=record.label,
        author=record.author,
        at=record.at,
        blinded=bool(record.blinded),
    )


@router.post("/{review_id}/skip", status_code=204, responses=problems(404, 409, 422, 503))
def skip(state: State, request: Request, review_id: _Identity) -> None:
    """Put an image behind all others."""
    review_queue.skip_item(state.database, review_id, _person(request))


@router.post("/{review_id}/undo", status_code=204, responses=problems(404, 409, 422, 503))
def undo(state: State, request: Request, review_id: _Identity) -> None:
    """Take the caller's own label back, until the image has landed."""
    review_queue.undo_label(state.database, review_id, _person(request), datetime.now(UTC))


@router.post("/{review_id}/reveal", responses=problems(404, 409, 422, 503))
def reveal(state: State, request: Request, review_id: _Identity) -> RevealedView:
    """What the model answered, after the caller has; that it was shown is noted."""
    item = review.reveal(
        state.database, review_id, _person(request), blinded=state.settings.review_blinded
    )
    return RevealedView.model_validate(
        {
            "review_id": item.review_id,
            "reason": item.kind,
            "label": item.evidence["answer"],
            "decision": item.evidence["action"],
            "reasons": item.evidence["reasons"],
            "probabilities": item.evidence["probabilities"],
            "model_version": item.evidence["model_version"],
            "revealed_at": item.revealed_at,
        }
    )
