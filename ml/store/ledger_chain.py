"""The ledger's hash chain, apart from any database: computed, checked, and as lines of a file."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC

from ml.contract.errors import LedgerBroken
from ml.contract.records import LedgerEntry

FIRST_HASH = "0" * 64
"""What the first line names as the hash before it."""


def entry_hash(entry: LedgerEntry) -> str:
    """sha256 over the canonical JSON of all fields but `entry_hash` itself."""
    return hashlib.sha256(canonical(_fields(entry)).encode()).hexdigest()


def check_chain(entries: Iterable[LedgerEntry]) -> int:
    """Recompute the chain; return the number of lines.

    Raises:
        LedgerBroken: names the first line that does not fit.
    """
    expected, previous = 1, FIRST_HASH
    for entry in entries:
        if entry.sequence != expected:
            raise broken(expected, "is missing")
        if entry.previous_hash != previous:
            raise broken(expected, "does not follow from the line before it")
        check_entry(entry)
        expected, previous = expected + 1, entry.entry_hash
    return expected - 1


def check_entry(entry: LedgerEntry) -> None:
    """Recompute one line's own hash.

    Raises:
        LedgerBroken: it was changed.
    """
    if entry.entry_hash != entry_hash(entry):
        raise broken(entry.sequence, "was changed after it was written")


def to_lines(entries: Iterable[LedgerEntry]) -> str:
    """One line of canonical JSON an entry."""
    return "".join(_line(entry) + "\n" for entry in entries)


def from_lines(text: str) -> list[LedgerEntry]:
    """Read and check what `to_lines` wrote: any other text than that is refused.

    Raises:
        LedgerBroken: a line was changed, is missing, or stands in another order.
    """
    entries = list(_read(text))
    check_chain(entries)
    if to_lines(entries) != text:
        raise broken(len(entries), "is followed by something else")
    return entries


def canonical(value: dict[str, object]) -> str:
    """The one JSON text of a value.

    Raises:
        ValueError, TypeError: it is not plain JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def broken(sequence: int, what: str) -> LedgerBroken:
    """The error about one line."""
    return LedgerBroken(
        f"Line {sequence} of the ledger {what}.",
        remedy="Restore the database from a backup and find out who changed it.",
        details={"sequence": sequence},
    )


def _fields(entry: LedgerEntry) -> dict[str, object]:
    fields = entry.model_dump(exclude={"entry_hash"})
    fields["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return fields


def _line(entry: LedgerEntry) -> str:
    return canonical({**_fields(entry), "entry_hash": entry.entry_hash})


def _read(text: str) -> Iterator[LedgerEntry]:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entry = LedgerEntry.model_validate_json(line)
        except ValueError as error:
            raise broken(number, "cannot be read") from error
        if _line(entry) != line:
            raise broken(number, "was changed after it was written")
        yield entry
