"""The ledger: who did what to which model and why; every line holds the hash of the one before.

Changing, inserting, removing or reordering lines breaks the chain. Cutting lines off its end does
not: compare the newest hash with one noted elsewhere (each promotion tags its model version).
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, select

from ml.contract.errors import InputError, LedgerBroken
from ml.contract.records import LedgerAction, LedgerEntry
from ml.store.database import reading, writing
from ml.store.tables import LEDGER

FIRST_HASH = "0" * 64
"""What the first line names as the hash before it."""


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
        plain = json.loads(_canonical(dict(evidence)))
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


def read(engine: Engine) -> list[LedgerEntry]:
    """All lines, oldest first, as they are stored: see `verify`.

    Raises:
        LedgerBroken: a line cannot be read.
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        return list(_lines(connection))


def tells_of(engine: Engine, actions: Collection[LedgerAction]) -> bool:
    """Whether any of these actions was ever entered.

    Raises:
        Unavailable: the database does not answer.
    """
    query = select(LEDGER.c.sequence).where(LEDGER.c.action.in_(actions)).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def about(engine: Engine, subject: str) -> list[LedgerEntry]:
    """The lines about one subject, oldest first; each one's own hash is checked.

    Raises:
        LedgerBroken: a line cannot be read, or was changed after it was written.
        Unavailable: the database does not answer.
    """
    with reading(engine) as connection:
        entries = list(_lines(connection, subject))
    for entry in entries:
        if entry.entry_hash != entry_hash(entry):
            raise _broken(entry.sequence, "was changed after it was written")
    return entries


def verify(engine: Engine) -> int:
    """Recompute the chain; return the number of lines.

    Raises:
        LedgerBroken: names the first line that does not fit.
        Unavailable: the database does not answer.
    """
    expected, previous = 1, FIRST_HASH
    with reading(engine) as connection:
        for entry in _lines(connection):
            if entry.sequence != expected:
                raise _broken(expected, "is missing")
            if entry.previous_hash != previous:
                raise _broken(expected, "does not follow from the line before it")
            if entry.entry_hash != entry_hash(entry):
                raise _broken(expected, "was changed after it was written")
            expected, previous = expected + 1, entry.entry_hash
    return expected - 1


def _lines(connection: Connection, subject: str | None = None) -> Iterator[LedgerEntry]:
    query = select(LEDGER.c.sequence).order_by(LEDGER.c.sequence)
    if subject is not None:
        query = query.where(LEDGER.c.subject == subject)
    sequences = connection.scalars(query).all()
    # One query each, so that a line whose stored text no longer parses can be named.
    for sequence in sequences:
        try:
            row = connection.execute(select(LEDGER).where(LEDGER.c.sequence == sequence)).one()
            yield LedgerEntry(**row._mapping)
        except (TypeError, ValueError) as error:
            raise _broken(sequence, "cannot be read") from error


def entry_hash(entry: LedgerEntry) -> str:
    """sha256 over the canonical JSON of all fields but `entry_hash` itself."""
    fields = entry.model_dump(exclude={"entry_hash"})
    fields["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(_canonical(fields).encode()).hexdigest()


def _canonical(value: dict[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _broken(sequence: int, what: str) -> LedgerBroken:
    return LedgerBroken(
        f"Line {sequence} of the ledger {what}.",
        remedy="Restore the database from a backup and find out who changed it.",
        details={"sequence": sequence},
    )
