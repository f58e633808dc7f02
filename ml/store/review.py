"""The review list: images that a person should look at, and what people decided."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine, bindparam, func, select, update

from ml.contract.errors import AlreadyDecided, NotFound
from ml.contract.records import ReviewItem, ReviewKind, ReviewState
from ml.store.database import reading, writing
from ml.store.idempotent import insert_missing
from ml.store.review_queue import enter_revision
from ml.store.tables import REVIEW

_ID_HEX = 16


def review_id(kind: ReviewKind, image_id: str, dispute: str) -> str:
    """Names one dispute about an image: the same one is listed once, however often it is found.

    Args:
        dispute: what it is about, such as the labels that stand against each other.
    """
    return hashlib.sha256(f"{kind}\0{image_id}\0{dispute}".encode()).hexdigest()[:_ID_HEX]


def list_for_review(engine: Engine, items: Sequence[ReviewItem]) -> None:
    """Add items; those that are listed or decided already stay as they are.

    Raises:
        Unavailable: the database does not answer; nothing was stored.
    """
    with writing(engine) as connection:
        insert_missing(connection, REVIEW, [item.model_dump() for item in items])


def list_all_of_kind(engine: Engine, kind: ReviewKind, items: Sequence[ReviewItem]) -> None:
    """Add items, and know that there are no others of their kind: open ones that are not among
    them are moot, until they are found again.

    Raises:
        Unavailable: the database does not answer; nothing was stored.
    """
    found = {item.review_id for item in items}
    undecided = select(REVIEW.c.review_id, REVIEW.c.state).where(
        (REVIEW.c.kind == kind) & REVIEW.c.state.in_(["open", "moot"])
    )
    with writing(engine) as connection:
        changed = [
            {"named": row.review_id, "now": "moot" if row.state == "open" else "open"}
            for row in connection.execute(undecided)
            if (row.review_id in found) != (row.state == "open")
        ]
        insert_missing(connection, REVIEW, [item.model_dump() for item in items])
        if changed:
            of_item = REVIEW.c.review_id == bindparam("named")
            connection.execute(
                update(REVIEW).where(of_item).values(state=bindparam("now")), changed
            )


def read_review(
    engine: Engine, *, state: ReviewState | None = None, kind: ReviewKind | None = None
) -> list[ReviewItem]:
    """Items, oldest first.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(REVIEW).order_by(REVIEW.c.since, REVIEW.c.review_id)
    if state is not None:
        query = query.where(REVIEW.c.state == state)
    if kind is not None:
        query = query.where(REVIEW.c.kind == kind)
    with reading(engine) as connection:
        return [ReviewItem(**row._mapping) for row in connection.execute(query)]


def count_open(engine: Engine) -> dict[ReviewKind, tuple[int, datetime]]:
    """How many items of each kind wait for a person, and since when the oldest does.

    Raises:
        Unavailable: the database does not answer.
    """
    query = (
        select(REVIEW.c.kind, func.count(), func.min(REVIEW.c.since))
        .where(REVIEW.c.state == "open")
        .group_by(REVIEW.c.kind)
    )
    with reading(engine) as connection:
        return {kind: (count, since) for kind, count, since in connection.execute(query)}


def read_item(engine: Engine, identity: str) -> ReviewItem:
    """One item.

    Raises:
        NotFound: nothing is listed under this id.
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        row = connection.execute(select(REVIEW).where(REVIEW.c.review_id == identity)).first()
    if row is None:
        raise NotFound(f"Nothing is listed as {identity}.", remedy="See `vigie review list`.")
    return ReviewItem(**row._mapping)


def decide(
    engine: Engine,
    identity: str,
    *,
    label: str | None,
    by: str,
    reason: str,
    at: datetime | None = None,
    revise: bool = False,
) -> ReviewItem:
    """Write down what a person decided; of two at once the first counts.

    The label of an answered image is feedback as well: another one is added there, and counts.

    Args:
        label: the right label; None where the one it has stands.
        at: aware; now if None.
        revise: put it in the place of an earlier decision, if there is one.

    Raises:
        NotFound: nothing is listed under this id.
        AlreadyDecided: somebody decided it before.
        Unavailable: the database does not answer.
    """
    chosen = REVIEW.c.review_id == identity
    if not revise:
        chosen &= REVIEW.c.state.in_(["open", "moot"])
    at = at or datetime.now(UTC)
    values = {
        "state": "kept" if label is None else "relabelled",
        "label": label,
        "decided_by": by,
        "decided_at": at,
        "reason": reason,
    }
    with writing(engine) as connection:
        changed = connection.execute(update(REVIEW).where(chosen).values(values)).rowcount
        if changed and revise and label is not None:
            enter_revision(connection, identity, label=label, by=by, at=at, reason=reason)
    item = read_item(engine, identity)
    if not changed:
        raise AlreadyDecided(
            f"{item.decided_by} decided {identity} before: {item.state}.",
            remedy="Revise it if it was wrong: `vigie review decide --revise`.",
        )
    return item


def decided_labels(engine: Engine) -> Mapping[str, str]:
    """Image id → the label that the latest decision gave it.

    Raises:
        Unavailable: the database does not answer.
    """
    query = (
        select(REVIEW.c.image_id, REVIEW.c.label)
        .where(REVIEW.c.state.in_(["relabelled", "labelled"]))
        .order_by(REVIEW.c.decided_at)
    )
    with reading(engine) as connection:
        return {row.image_id: row.label for row in connection.execute(query)}
