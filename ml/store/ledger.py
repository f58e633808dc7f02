"""The ledger: who did what to which model and why; every line holds the hash of the one before.

Changing, inserting, removing or reordering lines breaks the chain. Cutting lines off its end does
not: compare the newest hash with one noted elsewhere (each promotion tags its model version).
"""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import JSON, ColumnElement, Connection, Engine, Text, cast, literal, select
from sqlalchemy.exc import OperationalError

from ml.contract.errors import InputError
from ml.contract.records import LedgerAction, LedgerEntry
from ml.store.database import reading, writing
from ml.store.ledger_chain import (
    FIRST_HASH,
    broken,
    canonical,
    check_chain,
    check_entry,
    entry_hash,
)
from ml.store.tables import LEDGER


def append(
    engine: Engine,
    *,
    actor: str,
    action: LedgerAction,
    subject: str,
    reason: str,
    evidence: Mapping[str, object],
    at: datetime | None = None,
) -> LedgerEntry:
    """Add one line; concurrent writers wait for each other.

    Args:
        evidence: plain JSON.
        at: aware; now if None.

    Raises:
        InputError: the evidence is not plain JSON.
        Unavailable: the database does not answer; nothing was written.
    """
    try:
        plain = json.loads(canonical(dict(evidence)))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The evidence for {action} of {subject} is not plain JSON: {error}.",
            remedy="Give strings, finite numbers, lists and objects.",
        ) from error
    with writing(engine, lock="ledger") as connection:
        last = connection.execute(
            select(LEDGER.c.sequence, LEDGER.c.entry_hash).order_by(LEDGER.c.sequence.desc())
        ).first()
        unsigned = LedgerEntry(
            sequence=last.sequence + 1 if last else 1,
            at=(at or datetime.now(UTC)).astimezone(UTC),
            actor=actor,
            action=action,
            subject=subject,
            reason=reason,
            evidence=plain,
            previous_hash=last.entry_hash if last else FIRST_HASH,
            entry_hash="",
        )
        entry = unsigned.model_copy(update={"entry_hash": entry_hash(unsigned)})
        connection.execute(LEDGER.insert(), entry.model_dump())
    return entry


def read(engine: Engine, *, after: int = 0) -> list[LedgerEntry]:
    """The lines after this sequence number, oldest first, as they are stored: see `verify`.

    Raises:
        LedgerBroken: a line cannot be read.
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        return list(_lines(connection, after=after))


def tells_of(engine: Engine, actions: Collection[LedgerAction]) -> bool:
    """Whether any of these actions was ever entered.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(LEDGER.c.sequence).where(LEDGER.c.action.in_(actions)).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def newest(engine: Engine, count: int, actions: Collection[LedgerAction] = ()) -> list[LedgerEntry]:
    """The newest lines, of these actions alone if any are named, the newest first.

    Each one's own hash is checked; the chain as a whole is not: see `verify`.

    Raises:
        LedgerBroken: a line cannot be read, or was changed after it was written.
        Unavailable: the database does not answer.
    """
    query = select(LEDGER.c.sequence).order_by(LEDGER.c.sequence.desc()).limit(count)
    if actions:
        query = query.where(LEDGER.c.action.in_(actions))
    with reading(engine) as connection:
        entries = [_line(connection, sequence) for sequence in connection.scalars(query).all()]
    for entry in entries:
        check_entry(entry)
    return entries


def about(engine: Engine, subject: str) -> list[LedgerEntry]:
    """The lines about one subject, oldest first; each one's own hash is checked.

    Raises:
        LedgerBroken: a line cannot be read, or was changed after it was written.
        Unavailable: the database does not answer.
    """
    return _checked(engine, LEDGER.c.subject == subject)


def of_action(engine: Engine, action: LedgerAction) -> list[LedgerEntry]:
    """The lines of one action, oldest first; each one's own hash is checked.

    Raises:
        LedgerBroken: a line cannot be read, or was changed after it was written.
        Unavailable: the database does not answer.
    """
    return _checked(engine, LEDGER.c.action == action)


def verify(engine: Engine) -> int:
    """Recompute the chain over what is stored, byte for byte; return the number of lines.

    Raises:
        LedgerBroken: names the first line that does not fit.
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        return check_chain(_as_written(connection, entry) for entry in _lines(connection))


def _checked(engine: Engine, condition: ColumnElement[bool]) -> list[LedgerEntry]:
    with reading(engine) as connection:
        entries = list(_lines(connection, condition))
    for entry in entries:
        check_entry(entry)
    return entries


def _lines(
    connection: Connection, *conditions: ColumnElement[bool], after: int = 0
) -> Iterator[LedgerEntry]:
    query = (
        select(LEDGER.c.sequence)
        .where(LEDGER.c.sequence > after, *conditions)
        .order_by(LEDGER.c.sequence)
    )
    # One query each, so that a line whose stored text no longer parses can be named.
    for sequence in connection.scalars(query).all():
        yield _line(connection, sequence)


def _line(connection: Connection, sequence: int) -> LedgerEntry:
    try:
        row = connection.execute(select(LEDGER).where(LEDGER.c.sequence == sequence)).one()
        return LedgerEntry(**row._mapping)
    except (TypeError, ValueError) as error:
        raise broken(sequence, "cannot be read") from error
    except OperationalError as error:
        # SQLite's driver reports text that is no UTF-8 as it does a database that is away.
        if "decode" not in str(error.orig):
            raise
        raise broken(sequence, "cannot be read") from error


def _as_written(connection: Connection, entry: LedgerEntry) -> LedgerEntry:
    """The entry, if its row is the one that `append` writes.

    Its hash is that of its values, and JSON or SQLite's times spell one value in several ways.
    """
    fields = entry.model_dump()
    same = [
        _comparable(connection, column)
        == _comparable(connection, literal(fields[column.name], column.type))
        for column in LEDGER.columns
    ]
    if connection.execute(select(LEDGER.c.sequence).where(*same)).first() is None:
        raise broken(entry.sequence, "was changed after it was written")
    return entry


def _comparable(connection: Connection, column: ColumnElement[object]) -> ColumnElement[object]:
    # PostgreSQL keeps JSON as it was written, but compares none.
    is_opaque = isinstance(column.type, JSON) and connection.dialect.name == "postgresql"
    return cast(column, Text) if is_opaque else column
