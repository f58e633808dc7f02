"""The log of answers outside the database: a day in one Parquet file, and reading it again."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import JSON, ColumnElement, Engine, Float, Row, Text, cast, delete, func, select

from ml.contract.errors import Unavailable
from ml.contract.records import PredictionRecord
from ml.store.database import reading, writing
from ml.store.predictions import record_of
from ml.store.tables import PREDICTIONS, UtcDateTime

_ROWS_AT_A_TIME = 20_000
_COMPRESSION = "zstd"
_JSON = [column.name for column in PREDICTIONS.columns if isinstance(column.type, JSON)]


def oldest_day(engine: Engine) -> date | None:
    """The day (UTC) of the oldest answer in the database; None without answers.

    Raises:
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        oldest = connection.scalars(select(func.min(PREDICTIONS.c.at))).one()
    return None if oldest is None else oldest.astimezone(UTC).date()


def holds_day(engine: Engine, day: date) -> bool:
    """Whether the database has answers of a day (UTC).

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(PREDICTIONS.c.request_id).where(*_of_day(day)).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def write_day(engine: Engine, day: date, file: IO[bytes]) -> int:
    """Write all rows of a day, shadows' too, oldest first; the same rows give the same bytes.

    Columns are those of the table; what is JSON there is its text. Memory is bounded.

    Returns:
        Rows written; nothing was written without rows.

    Raises:
        Unavailable: the database does not answer.
    """
    columns = [
        cast(column, Text).label(column.name) if column.name in _JSON else column
        for column in PREDICTIONS.columns
    ]
    query = (
        select(*columns).where(*_of_day(day)).order_by(PREDICTIONS.c.at, PREDICTIONS.c.request_id)
    )
    rows = 0
    with reading(engine) as connection:
        result = connection.execution_options(yield_per=_ROWS_AT_A_TIME).execute(query)
        writer: pq.ParquetWriter | None = None
        try:
            for piece in result.partitions():
                writer = writer or pq.ParquetWriter(file, _SCHEMA, compression=_COMPRESSION)
                writer.write_table(_table(piece))
                rows += len(piece)
        finally:
            if writer is not None:
                writer.close()
    return rows


def delete_day(engine: Engine, day: date, *, rows: int) -> None:
    """Delete a day's rows, all or none.

    Args:
        rows: how many there must be.

    Raises:
        Unavailable: there are more or fewer by now, or the database does not answer.
    """
    with writing(engine) as connection:
        deleted = connection.execute(delete(PREDICTIONS).where(*_of_day(day))).rowcount
        if deleted != rows:
            raise Unavailable(
                f"The log of {day} has {deleted} answers, {rows} of them are archived.",
                remedy="Archive again: answers of that day came in meanwhile.",
            )


def find_in_file(
    file: IO[bytes], *, image_id: str | None, request_id: str | None
) -> list[PredictionRecord]:
    """The answers in one file about an image or under a request id, oldest first; no shadows."""
    conditions = [("role", "!=", "shadow")]
    if image_id is not None:
        conditions.append(("image_id", "=", image_id))
    if request_id is not None:
        conditions.append(("request_id", "=", request_id))
    found = pq.read_table(file, filters=conditions).to_pylist()
    return [record_of(row | {name: json.loads(row[name]) for name in _JSON}) for row in found]


def _of_day(day: date) -> list[ColumnElement[bool]]:
    since = datetime.combine(day, time(), UTC)
    return [PREDICTIONS.c.at >= since, PREDICTIONS.c.at < since + timedelta(days=1)]


def _table(piece: Sequence[Row[Any]]) -> pa.Table:
    columns = zip(*piece, strict=True)
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)],
        schema=_SCHEMA,
    )


def _arrow_type(column: ColumnElement[Any]) -> pa.DataType:
    if isinstance(column.type, UtcDateTime):
        return pa.timestamp("us", tz="UTC")
    return pa.float64() if isinstance(column.type, Float) else pa.string()


_SCHEMA = pa.schema([(column.name, _arrow_type(column)) for column in PREDICTIONS.columns])
