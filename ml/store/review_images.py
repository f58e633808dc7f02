"""Pixels of a few answered images, for as long as a person may be asked about them.

They are in the database because all servers and the pipeline share it, and because an image and
what is written about it then go in one transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Engine, delete, exists, func, select, update

from ml.contract.records import QUEUE_KINDS, QueueKind
from ml.store.database import reading, writing
from ml.store.idempotent import insert_missing
from ml.store.tables import REVIEW, REVIEW_IMAGES

Share = Literal[QueueKind, "sample"]
"""Of what an image is kept: of the doubtful ones of one kind, or of a sample of all."""

_IDS_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image without its pixels. `until`: then it is forgotten. `checked`: nobody need look for
    text in it again."""

    image_id: str
    request_id: str
    at: datetime
    until: datetime
    share: Share
    priority: float
    checked: bool = False


_COLUMNS = [REVIEW_IMAGES.c[name] for name in KeptImage.__dataclass_fields__]


def keep_image(
    engine: Engine, image: KeptImage, png: bytes, *, per_day: int, max_bytes: int
) -> float:
    """Keep an image, among at most `per_day` of its share and day, those of highest priority.

    What is on the review list stays. Nothing is kept beyond `max_bytes` in all.

    Returns:
        The priority that the next one must exceed to be kept; infinity where there is no room.

    Raises:
        Unavailable: the database does not answer; nothing was kept.
    """
    row = {name: getattr(image, name) for name in KeptImage.__dataclass_fields__}
    with writing(engine) as connection:
        total = connection.scalar(select(func.coalesce(func.sum(REVIEW_IMAGES.c.bytes), 0)))
        if (total or 0) + len(png) > max_bytes:
            return float("inf")
        insert_missing(connection, REVIEW_IMAGES, [row | {"bytes": len(png), "png": png}])
        return _within_bound(connection, image, per_day)


def _within_bound(connection: Connection, image: KeptImage, per_day: int) -> float:
    start = image.at.replace(hour=0, minute=0, second=0, microsecond=0)
    ranked = (
        select(REVIEW_IMAGES.c.image_id, REVIEW_IMAGES.c.priority, _is_listed().label("listed"))
        .where(
            REVIEW_IMAGES.c.share == image.share,
            REVIEW_IMAGES.c.at >= start,
            REVIEW_IMAGES.c.at < start + timedelta(days=1),
        )
        .order_by(REVIEW_IMAGES.c.priority.desc(), REVIEW_IMAGES.c.image_id)
    )
    rows = connection.execute(ranked).all()
    beyond = [row.image_id for row in rows[per_day:] if not row.listed]
    if beyond:
        connection.execute(delete(REVIEW_IMAGES).where(REVIEW_IMAGES.c.image_id.in_(beyond)))
    return rows[per_day - 1].priority if len(rows) >= per_day else float("-inf")


def read_kept(engine: Engine) -> list[KeptImage]:
    """All images that are kept, oldest first.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(*_COLUMNS).order_by(REVIEW_IMAGES.c.at, REVIEW_IMAGES.c.image_id)
    with reading(engine) as connection:
        return [KeptImage(**row._mapping) for row in connection.execute(query)]


def read_pixels(engine: Engine, image_id: str) -> bytes | None:
    """An image as PNG; None where it is not kept, or not any more.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(REVIEW_IMAGES.c.png).where(REVIEW_IMAGES.c.image_id == image_id)
    with reading(engine) as connection:
        return connection.scalar(query)


def mark_checked(engine: Engine, image_ids: Collection[str]) -> None:
    """No text was seen in these images.

    Raises:
        Unavailable: the database does not answer.
    """
    with writing(engine) as connection:
        of_these = REVIEW_IMAGES.c.image_id.in_(list(image_ids))
        connection.execute(update(REVIEW_IMAGES).where(of_these).values(checked=True))


def forget_images(engine: Engine, image_ids: Collection[str]) -> None:
    """Delete the pixels of these images.

    Raises:
        Unavailable: the database does not answer; nothing was deleted.
    """
    ids = list(image_ids)
    with writing(engine) as connection:
        for start in range(0, len(ids), _IDS_AT_A_TIME):
            these = ids[start : start + _IDS_AT_A_TIME]
            connection.execute(delete(REVIEW_IMAGES).where(REVIEW_IMAGES.c.image_id.in_(these)))


def forget_expired(engine: Engine, now: datetime) -> int:
    """Delete pixels whose time is over; whoever was to be asked about them is asked no more.

    Returns:
        How many images of the queue nobody looked at in time.

    Raises:
        Unavailable: the database does not answer; nothing was deleted.
    """
    unseen = REVIEW.c.kind.in_(QUEUE_KINDS) & (REVIEW.c.state == "open")
    with writing(engine) as connection:
        connection.execute(delete(REVIEW_IMAGES).where(REVIEW_IMAGES.c.until < now))
        gone = ~exists().where(REVIEW_IMAGES.c.image_id == REVIEW.c.image_id)
        expired = update(REVIEW).where(unseen & gone).values(state="expired", held_by=None)
        return connection.execute(expired).rowcount


def _is_listed() -> ColumnElement[bool]:
    return exists().where(REVIEW.c.image_id == REVIEW_IMAGES.c.image_id)
