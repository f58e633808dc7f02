"""The log of answers as columns: a window of any size in pieces that fit in memory.

Numbers stand in JSON columns, so that labels and components need no schema of their own. The
database hands out their text, and Arrow parses a piece at a time.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.json
from sqlalchemy import ColumnElement, Engine, Row, Select, Text, cast, func, select

from ml.contract.quality import ImageStatistics
from ml.store.database import reading
from ml.store.predictions import in_window
from ml.store.tables import FEEDBACK, PREDICTIONS

ROWS_AT_A_TIME = 20_000
_PLAIN = ("request_id", "image_id", "label", "action", "site", "scanner")
_PARSED = ("probabilities", "embedding", "statistics")
_ROW = '{"probabilities":%s,"embedding":%s,"statistics":%s}'
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Window:
    """What one model answered with `since` ≤ at < `until`. `bundle` is the sha256 it served."""

    since: datetime
    until: datetime
    model_version: str
    bundle: str

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """On PREDICTIONS; a registry that was set up anew counts its versions from 1 again."""
        in_time = in_window(self.since, self.until, self.model_version)
        return [*in_time, PREDICTIONS.c.model_bundle == self.bundle]


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often the same image was answered in a window.

    `squares` is the sum of squares of the number of answers an image got.
    """

    images: int
    distinct: int
    squares: int

    @property
    def effective(self) -> float:
        """Independent images the window is worth, by Kish's formula (Survey Sampling, 1965): an
        image that was sent ten times tells no more than once."""
        return self.images**2 / self.squares if self.squares else 0.0


def count_repeats(engine: Engine, window: Window) -> Repeats:
    """Count a window's answers and the images behind them.

    Raises:
        Unavailable: the database does not answer.
    """
    times = func.count().label("times")
    per_image = select(times).where(*window.conditions).group_by(PREDICTIONS.c.image_id).subquery()
    query = select(
        func.coalesce(func.sum(per_image.c.times), 0),
        func.count(),
        func.coalesce(func.sum(per_image.c.times * per_image.c.times), 0),
    )
    with reading(engine) as connection:
        images, distinct, squares = connection.execute(query).one()
    return Repeats(images=int(images), distinct=int(distinct), squares=int(squares))


def read_columns(
    engine: Engine, window: Window, labels: Sequence[str], *, rows: int = ROWS_AT_A_TIME
) -> Iterator[pa.Table]:
    """A window's answers in tables of at most `rows` rows, in no promised order.

    Columns: request_id, image_id, label, action, site, scanner (text); probabilities (a struct of
    `labels`), embedding (a list) and statistics (a struct), all float64, null where not recorded.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(*_columns()).where(*window.conditions)
    for piece in _pieces(engine, query, rows):
        yield _table(piece, labels)


def read_labelled_columns(
    engine: Engine,
    window: Window,
    labels: Sequence[str],
    *,
    known_until: datetime | None = None,
    rows: int = ROWS_AT_A_TIME,
) -> Iterator[pa.Table]:
    """As `read_columns`, of the answers that got one of `labels`, with two more columns: `truth`
    is the newest such label and `delay_hours` the time until it was given.

    Labels of the review queue are left out, save those that chance asked for: a model does worse
    on images that were chosen because it was unsure.

    Args:
        known_until: labels given later are left out.

    Raises:
        Unavailable: the database does not answer.
    """
    newest_first = (FEEDBACK.c.at.desc(), FEEDBACK.c.feedback_id.desc())
    ranked = select(
        FEEDBACK.c.request_id,
        FEEDBACK.c.label.label("truth"),
        FEEDBACK.c.at.label("labelled_at"),
        func.row_number()
        .over(partition_by=FEEDBACK.c.request_id, order_by=newest_first)
        .label("rank"),
    ).where(
        FEEDBACK.c.label.in_(labels),
        FEEDBACK.c.source != "review",
        FEEDBACK.c.at >= window.since,  # nothing is labelled before it was answered
    )
    if known_until is not None:
        ranked = ranked.where(FEEDBACK.c.at < known_until)
    newest = ranked.subquery()
    query = (
        select(*_columns(), newest.c.truth, PREDICTIONS.c.at, newest.c.labelled_at)
        .join(newest, PREDICTIONS.c.request_id == newest.c.request_id)
        .where(newest.c.rank == 1, *window.conditions)
    )
    for piece in _pieces(engine, query, rows):
        hours = [(row.labelled_at - row.at).total_seconds() / _SECONDS_PER_HOUR for row in piece]
        yield (
            _table(piece, labels)
            .append_column("truth", pa.array([row.truth for row in piece], pa.string()))
            .append_column("delay_hours", pa.array(hours, pa.float64()))
        )


def _columns() -> list[ColumnElement[Any]]:
    plain = [PREDICTIONS.c[name] for name in _PLAIN]
    return [*plain, *(cast(PREDICTIONS.c[name], Text).label(name) for name in _PARSED)]


def _pieces(engine: Engine, query: Select[Any], rows: int) -> Iterator[Sequence[Row[Any]]]:
    with reading(engine) as connection:
        result = connection.execution_options(yield_per=rows).execute(query)
        yield from result.partitions()


def _table(piece: Sequence[Row[Any]], labels: Sequence[str]) -> pa.Table:
    plain = zip(*(row[: len(_PLAIN)] for row in piece), strict=True)
    text = "\n".join(
        _ROW % tuple(row[len(_PLAIN) : len(_PLAIN) + len(_PARSED)]) for row in piece
    ).encode()
    parsed = pyarrow.json.read_json(
        io.BytesIO(text),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=_schema(labels), unexpected_field_behavior="ignore"
        ),
    )
    columns = {
        name: pa.array(values, pa.string()) for name, values in zip(_PLAIN, plain, strict=True)
    }
    return pa.table(columns | {name: parsed[name] for name in _PARSED})


def _schema(labels: Sequence[str]) -> pa.Schema:
    def numbers(names: Sequence[str]) -> pa.DataType:
        return pa.struct([(name, pa.float64()) for name in names])

    return pa.schema(
        [
            ("probabilities", numbers(labels)),
            ("embedding", pa.list_(pa.float64())),
            ("statistics", numbers(list(ImageStatistics.model_fields))),
        ]
    )
