"""Persons label answered images, one at a time, before they see what the model said."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from ml.contract.errors import NotFound
from ml.contract.records import FeedbackRecord, FeedbackSource, ReviewItem
from ml.store import review_queue
from ml.store.review_images import read_pixels
from serving.errors import AnswerHidden, InvalidRequest

LOCAL = "local"
"""The author on a server without keys, which listens to its own machine only."""


def next_turn(database: Engine, person: str) -> tuple[ReviewItem | None, review_queue.Progress]:
    """What `person` looks at next, and how far the queue is since midnight UTC.

    Raises:
        Unavailable: the database does not answer.
    """
    now = datetime.now(UTC)
    item = review_queue.next_item(database, person, now)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return item, review_queue.read_progress(database, person, midnight)


def pixels_of(database: Engine, identity: str, person: str) -> bytes:
    """The image of an item that `person` was shown, as PNG.

    Raises:
        NotFound: there is no such item, or its pixels are gone.
        Unavailable: the database does not answer.
    """
    item = review_queue.held_item(database, identity, person)
    png = read_pixels(database, item.image_id)
    if png is None:
        raise NotFound("The image has landed or was forgotten.", remedy="Go on with the next one.")
    return png


def label(
    database: Engine, identity: str, person: str, *, label: str, comment: str, labels: list[str]
) -> FeedbackRecord:
    """Store a label, as feedback too.

    Raises:
        InvalidRequest: it is not one of `labels`.
        NotFound, AlreadyDecided: the person was not shown the image, or it is taken.
        Unavailable: the database does not answer; nothing was stored.
    """
    if label not in labels:
        raise InvalidRequest(
            f"{label} is not a label.",
            remedy=f"Choose one of {', '.join(labels)}.",
            details={"field": "label"},
        )
    item = review_queue.held_item(database, identity, person)
    source: FeedbackSource = "sample" if item.kind == "random" else "review"
    record = FeedbackRecord(
        feedback_id=review_queue.feedback_id(identity),
        request_id=str(item.evidence["request_id"]),
        at=datetime.now(UTC),
        label=label,
        author=person,
        comment=comment,
        source=source,
        blinded=item.revealed_at is None,
    )
    review_queue.label_item(database, identity, record)
    return record


def reveal(database: Engine, identity: str, person: str, *, blinded: bool) -> ReviewItem:
    """What the model answered; that it was shown is noted first.

    Args:
        blinded: whether the person must have answered before.

    Raises:
        AnswerHidden: the person has not.
        NotFound: the person was not shown the image.
        Unavailable: the database does not answer; nothing may be shown.
    """
    item = review_queue.held_item(database, identity, person)
    if blinded and item.decided_by != person:
        raise AnswerHidden(
            "The model's answer is shown after yours.", remedy="Label the image first."
        )
    return review_queue.reveal_answer(database, identity, person, datetime.now(UTC))
