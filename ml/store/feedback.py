"""Labels that people gave to answered images."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select

from ml.contract.records import FeedbackRecord, PredictionRecord
from ml.store.database import reading, writing
from ml.store.idempotent import insert_missing
from ml.store.predictions import in_window, to_record
from ml.store.tables import FEEDBACK, PREDICTIONS

_ROWS_AT_A_TIME = 500
_COLUMNS = [column.label(f"feedback_{column.name}") for column in FEEDBACK.columns]


def insert_feedback(engine: Engine, records: Sequence[FeedbackRecord]) -> None:
    """Store records in one transaction; those whose `feedback_id` is stored already are skipped.

    Raises:
        Unavailable: the database does not answer; nothing was stored.
    """
    with writing(engine) as connection:
        insert_missing(connection, FEEDBACK, [record.model_dump() for record in records])


def read_feedback(
    engine: Engine, *, since: datetime | None = None, until: datetime | None = None
) -> list[FeedbackRecord]:
    """The labels given with `since` ≤ at < `until`, oldest first.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(FEEDBACK).order_by(FEEDBACK.c.at, FEEDBACK.c.feedback_id)
    if since is not None:
        query = query.where(FEEDBACK.c.at >= since)
    if until is not None:
        query = query.where(FEEDBACK.c.at < until)
    with reading(engine) as connection:
        rows = connection.execution_options(yield_per=_ROWS_AT_A_TIME).execute(query)
        return [FeedbackRecord(**row._mapping) for row in rows]


def newest_feedback(engine: Engine) -> datetime | None:
    """When the last label was given; None where there is none.

    Raises:
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        return connection.scalars(select(func.max(FEEDBACK.c.at))).one()


def count_labelled(engine: Engine, labels: Sequence[str], *, since: datetime) -> int:
    """How many requests got one of `labels` at or after `since`.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(func.count(FEEDBACK.c.request_id.distinct())).where(
        FEEDBACK.c.at >= since, FEEDBACK.c.label.in_(labels)
    )
    with reading(engine) as connection:
        return connection.scalars(query).one()


def read_labelled(
    engine: Engine,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    model_version: str | None = None,
) -> list[tuple[PredictionRecord, FeedbackRecord]]:
    """Predictions with `since` ≤ at < `until` that got a label, oldest first, with the newest one.

    Raises:
        Unavailable: the database does not answer.
    """
    newest_first = (FEEDBACK.c.at.desc(), FEEDBACK.c.feedback_id.desc())
    rank = func.row_number().over(partition_by=FEEDBACK.c.request_id, order_by=newest_first)
    ranked = select(*_COLUMNS, rank.label("rank")).subquery()
    query = (
        select(PREDICTIONS, ranked)
        .join(ranked, PREDICTIONS.c.request_id == ranked.c.feedback_request_id)
        .where(ranked.c.rank == 1, *in_window(since, until, model_version))
        .order_by(PREDICTIONS.c.at, PREDICTIONS.c.request_id)
    )
    with reading(engine) as connection:
        rows = connection.execution_options(yield_per=_ROWS_AT_A_TIME).execute(query)
        return [(to_record(row), _joined_feedback(row)) for row in rows]


def _joined_feedback(row: Row[Any]) -> FeedbackRecord:
    names = [column.name for column in FEEDBACK.columns]
    return FeedbackRecord(**{name: getattr(row, f"feedback_{name}") for name in names})
