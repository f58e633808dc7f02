"""The queue of answered images that persons label, one at a time."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from ml.contract.errors import AlreadyDecided, NotFound
from ml.contract.records import QUEUE_KINDS, FeedbackRecord, ReviewItem
from ml.store.database import reading, writing
from ml.store.idempotent import insert_missing
from ml.store.tables import FEEDBACK, REVIEW, REVIEW_IMAGES

HOLD = timedelta(minutes=15)
"""How long nobody else is asked about an image that somebody was shown."""

_ID_HEX = 16
_MAX_COMMENT_CHARACTERS = 2000
_OF_QUEUE = REVIEW.c.kind.in_(QUEUE_KINDS)
_OPEN = _OF_QUEUE & (REVIEW.c.state == "open")


@dataclass(frozen=True, slots=True)
class Progress:
    """`waiting` for anybody; `labelled` by one person since a time."""

    waiting: int
    labelled: int


def queue_id(image_id: str) -> str:
    """The review id of an image in the queue: whatever the reasons, it is asked about once."""
    return hashlib.sha256(f"queue\0{image_id}".encode()).hexdigest()[:_ID_HEX]


def read_queue(engine: Engine, *, since: datetime | None = None) -> list[ReviewItem]:
    """Items of the queue, in any state, listed at or after `since`; oldest first.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(REVIEW).where(_OF_QUEUE).order_by(REVIEW.c.since, REVIEW.c.review_id)
    if since is not None:
        query = query.where(REVIEW.c.since >= since)
    with reading(engine) as connection:
        return [ReviewItem(**row._mapping) for row in connection.execute(query)]


def replace_unseen(
    engine: Engine, *, withdrawn: Collection[str], added: Sequence[ReviewItem]
) -> None:
    """Take items that nobody was shown off the list, and put others on it.

    Raises:
        Unavailable: the database does not answer; nothing was changed.
    """
    unseen = _OPEN & REVIEW.c.held_by.is_(None) & REVIEW.c.review_id.in_(list(withdrawn))
    with writing(engine) as connection:
        connection.execute(delete(REVIEW).where(unseen))
        insert_missing(connection, REVIEW, [item.model_dump() for item in added])


def next_item(engine: Engine, person: str, now: datetime) -> ReviewItem | None:
    """What a person looks at next, held for that person for a while; None where nothing waits.

    The one that the person holds already comes first, skipped ones last.

    Raises:
        Unavailable: the database does not answer.
    """
    mine = REVIEW.c.held_by == person
    free = or_(REVIEW.c.held_by.is_(None), mine, REVIEW.c.held_at < now - HOLD)
    query = (
        select(REVIEW)
        .where(_OPEN, free, _has_pixels())
        .order_by(REVIEW.c.skipped, case((mine, 0), else_=1), REVIEW.c.since, REVIEW.c.review_id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with writing(engine) as connection:
        row = connection.execute(query).first()
        if row is None:
            return None
        hold = {"held_by": person, "held_at": now}
        of_item = REVIEW.c.review_id == row.review_id
        connection.execute(update(REVIEW).where(of_item).values(hold))
    return ReviewItem(**{**row._mapping, **hold})


def skip_item(engine: Engine, identity: str, person: str) -> None:
    """Put an item that a person holds behind all others.

    Raises:
        AlreadyDecided: the person does not hold it, or not any more.
        Unavailable: the database does not answer.
    """
    last = select(func.max(REVIEW.c.skipped)).where(_OPEN).scalar_subquery()
    held = _OPEN & (REVIEW.c.review_id == identity) & (REVIEW.c.held_by == person)
    with writing(engine) as connection:
        behind = {"skipped": (connection.scalar(select(last)) or 0) + 1, "held_by": None}
        if not connection.execute(update(REVIEW).where(held).values(behind)).rowcount:
            raise _not_held(identity)


def label_item(engine: Engine, identity: str, feedback: FeedbackRecord) -> None:
    """Write down the label that the holder of an item gave, there and as feedback.

    Raises:
        AlreadyDecided: the author does not hold it, or not any more.
        Unavailable: the database does not answer; nothing was stored.
    """
    held = _OPEN & (REVIEW.c.review_id == identity) & (REVIEW.c.held_by == feedback.author)
    values = {
        "state": "labelled",
        "label": feedback.label,
        "decided_by": feedback.author,
        "decided_at": feedback.at,
        "reason": feedback.comment,
    }
    with writing(engine) as connection:
        if not connection.execute(update(REVIEW).where(held).values(values)).rowcount:
            raise _not_held(identity)
        insert_missing(connection, FEEDBACK, [feedback.model_dump()])


def undo_label(engine: Engine, identity: str, person: str, now: datetime) -> None:
    """Take back a label, and hold the image again. That the answer was shown remains.

    Raises:
        AlreadyDecided: another person gave it, or it has landed.
        Unavailable: the database does not answer; nothing was changed.
    """
    own = (
        _OF_QUEUE
        & (REVIEW.c.review_id == identity)
        & (REVIEW.c.state == "labelled")
        & (REVIEW.c.decided_by == person)
    )
    blank = {
        "state": "open", "label": None, "decided_by": None, "decided_at": None, "reason": "",
        "held_by": person, "held_at": now, "skipped": 0,
    }  # fmt: skip
    with writing(engine) as connection:
        if not connection.execute(update(REVIEW).where(own, _has_pixels()).values(blank)).rowcount:
            raise AlreadyDecided(
                f"The label of {identity} cannot be taken back: another gave it, or it has landed.",
                remedy="Revise it: `vigie review decide --revise`.",
            )
        connection.execute(delete(FEEDBACK).where(FEEDBACK.c.feedback_id == feedback_id(identity)))


def enter_revision(
    connection: Connection, identity: str, *, label: str, by: str, at: datetime, reason: str
) -> None:
    """Have another label of an item count as feedback; the ones given before stay beside it.

    An item that nobody labelled has no feedback, and gets none. Whether the reviser had seen the
    model's answer nobody knows.
    """
    first = feedback_id(identity)
    request = select(FEEDBACK.c.request_id).where(FEEDBACK.c.feedback_id == first)
    given = connection.execute(
        select(FEEDBACK)
        .where(
            FEEDBACK.c.request_id == request.scalar_subquery(),
            FEEDBACK.c.feedback_id.startswith(first),
        )
        .order_by(FEEDBACK.c.at, FEEDBACK.c.feedback_id)
    ).all()
    if not given:
        return
    record = FeedbackRecord(
        # Of labels given at one time the highest id counts, so numbers have leading zeros.
        feedback_id=f"{first}-{len(given):04}",
        request_id=given[-1].request_id,
        # The server's clock may be ahead of this one.
        at=max(at, given[-1].at),
        label=label,
        author=by,
        comment=reason[:_MAX_COMMENT_CHARACTERS],
        source=given[-1].source,
    )
    connection.execute(FEEDBACK.insert(), record.model_dump())


def reveal_answer(engine: Engine, identity: str, person: str, now: datetime) -> ReviewItem:
    """Note that a person sees the model's answer; the first time counts.

    Raises:
        NotFound: the person neither holds nor labelled such an image of the queue.
        Unavailable: the database does not answer; nothing was noted.
    """
    theirs = or_(REVIEW.c.held_by == person, REVIEW.c.decided_by == person)
    chosen = _OF_QUEUE & (REVIEW.c.review_id == identity) & theirs
    first = func.coalesce(REVIEW.c.revealed_at, now)
    with writing(engine) as connection:
        connection.execute(update(REVIEW).where(chosen).values(revealed_at=first))
        row = connection.execute(select(REVIEW).where(chosen)).first()
    if row is None:
        raise _unknown(identity)
    return ReviewItem(**row._mapping)


def held_item(engine: Engine, identity: str, person: str) -> ReviewItem:
    """An item that a person holds or has labelled.

    Raises:
        NotFound: there is none.
        Unavailable: the database does not answer.
    """
    theirs = or_(REVIEW.c.held_by == person, REVIEW.c.decided_by == person)
    query = select(REVIEW).where(_OF_QUEUE, REVIEW.c.review_id == identity, theirs)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    if row is None:
        raise _unknown(identity)
    return ReviewItem(**row._mapping)


def read_progress(engine: Engine, person: str, since: datetime) -> Progress:
    """How far the queue is.

    Raises:
        Unavailable: the database does not answer.
    """
    done = _OF_QUEUE & (REVIEW.c.decided_by == person) & (REVIEW.c.decided_at >= since)
    with reading(engine) as connection:
        waiting = connection.scalar(select(func.count()).where(_OPEN, _has_pixels()))
        return Progress(waiting or 0, connection.scalar(select(func.count()).where(done)) or 0)


def feedback_id(identity: str) -> str:
    """Of the label of an item: it has one at most, and revisions, whose ids begin with this."""
    return f"review-{identity}"


def _has_pixels() -> ColumnElement[bool]:
    return exists().where(REVIEW_IMAGES.c.image_id == REVIEW.c.image_id)


def _not_held(identity: str) -> AlreadyDecided:
    return AlreadyDecided(
        f"{identity} is not held by you any more: it was labelled, or another looks at it.",
        remedy="Go on with the next image.",
    )


def _unknown(identity: str) -> NotFound:
    return NotFound(f"You were not shown an image {identity}.", remedy="Ask for the next image.")
