"""The log of answers: which model answered what on which image, and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, func, select

from ml.contract.quality import ImageStatistics
from ml.contract.records import ModelIdentity, PredictionRecord
from ml.store.database import reading, writing
from ml.store.idempotent import insert_missing
from ml.store.tables import PREDICTIONS

_ROWS_AT_A_TIME = 500


def insert_predictions(engine: Engine, records: Sequence[PredictionRecord]) -> None:
    """Store records in one transaction; those whose `request_id` is stored already are skipped.

    Raises:
        Unavailable: the database does not answer; nothing was stored.
    """
    with writing(engine) as connection:
        insert_missing(connection, PREDICTIONS, [_to_row(record) for record in records])


def read_predictions(
    engine: Engine,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    model_version: str | None = None,
) -> list[PredictionRecord]:
    """The answers with `since` ≤ at < `until`, oldest first; the newest `limit` of them.

    What a shadow made of the same images is no answer and left out.

    Raises:
        Unavailable: the database does not answer.
    """
    query = (
        select(PREDICTIONS)
        .where(*in_window(since, until, model_version))
        .order_by(PREDICTIONS.c.at.desc(), PREDICTIONS.c.request_id.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        rows = connection.execution_options(yield_per=_ROWS_AT_A_TIME).execute(query)
        records = [to_record(row) for row in rows]
    records.reverse()
    return records


def find_predictions(
    engine: Engine,
    *,
    image_id: str | None = None,
    request_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[PredictionRecord]:
    """The answers about one image or under one request id, oldest first; no shadows.

    Raises:
        Unavailable: the database does not answer.
    """
    conditions = in_window(since, until, None)
    if image_id is not None:
        conditions.append(PREDICTIONS.c.image_id == image_id)
    if request_id is not None:
        conditions.append(PREDICTIONS.c.request_id == request_id)
    query = select(PREDICTIONS).where(*conditions).order_by(PREDICTIONS.c.at)
    with reading(engine) as connection:
        return [to_record(row) for row in connection.execute(query)]


def predictions_by_request(
    engine: Engine, request_ids: Sequence[str]
) -> dict[str, PredictionRecord]:
    """The answers under these request ids, as far as they are stored.

    Raises:
        Unavailable: the database does not answer.
    """
    found: dict[str, PredictionRecord] = {}
    with reading(engine) as connection:
        for start in range(0, len(request_ids), _ROWS_AT_A_TIME):
            these = request_ids[start : start + _ROWS_AT_A_TIME]
            query = select(PREDICTIONS).where(PREDICTIONS.c.request_id.in_(these))
            found |= {row.request_id: to_record(row) for row in connection.execute(query)}
    return found


def count_predictions(
    engine: Engine,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    model_version: str | None = None,
) -> int:
    """How many records `read_predictions` would return without a limit.

    Raises:
        Unavailable: the database does not answer.
    """
    conditions = in_window(since, until, model_version)
    with reading(engine) as connection:
        return connection.scalars(
            select(func.count()).select_from(PREDICTIONS).where(*conditions)
        ).one()


def newest_prediction(engine: Engine) -> datetime | None:
    """When the last answer in the log was given; None where there is none.

    Raises:
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        return connection.scalars(select(func.max(PREDICTIONS.c.at))).one()


def holds_prediction(engine: Engine, request_id: str) -> bool:
    """Whether an image was answered under this request id.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(PREDICTIONS.c.request_id).where(PREDICTIONS.c.request_id == request_id)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def in_window(
    since: datetime | None, until: datetime | None, model_version: str | None
) -> list[ColumnElement[bool]]:
    """Conditions on PREDICTIONS, shadows left out; None means unbounded."""
    conditions = [PREDICTIONS.c.role != "shadow"]
    if since is not None:
        conditions.append(PREDICTIONS.c.at >= since)
    if until is not None:
        conditions.append(PREDICTIONS.c.at < until)
    if model_version is not None:
        conditions.append(PREDICTIONS.c.model_version == model_version)
    return conditions


def _to_row(record: PredictionRecord) -> dict[str, Any]:
    row = record.model_dump(exclude={"model"})
    return row | {f"model_{key}": value for key, value in record.model.model_dump().items()}


def to_record(row: Row[Any]) -> PredictionRecord:
    """The record behind one row of PREDICTIONS."""
    return record_of({column.name: getattr(row, column.name) for column in PREDICTIONS.columns})


def record_of(row: Mapping[str, Any]) -> PredictionRecord:
    """The record behind one row of PREDICTIONS, by the names of its columns."""
    values = dict(row)
    model = ModelIdentity(
        name=values.pop("model_name"),
        version=values.pop("model_version"),
        bundle=values.pop("model_bundle"),
    )
    statistics = ImageStatistics.model_validate(values.pop("statistics"))
    return PredictionRecord(**values, model=model, statistics=statistics)
