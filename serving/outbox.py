"""The outbox: what must not be lost, on the local disk before an answer leaves.

One SQLite file serves every server process of a home; whoever ships first ships for all, and
what a killed process left behind is shipped by the next one.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from serving.errors import LogUnavailable

Kind = Literal["prediction", "feedback"]

_BUSY_SECONDS = 10.0
_PAGE_BYTES = 4096
_PROBE_BYTES = 65536
_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    refused TEXT
);
CREATE TABLE IF NOT EXISTS probe (filler BLOB);
"""


class OutboxRow(NamedTuple):
    """`key` is the request's or feedback's id, `body` the record as JSON."""

    kind: Kind
    key: str
    body: str


class Outbox:
    """Thread-safe and safe between processes: each thread has a connection of its own.

    Raises:
        LogUnavailable: by every method, when the disk is full or the file cannot be used.
    """

    def __init__(self, path: Path, *, max_bytes: int = 2**30) -> None:
        self._path = path
        self._max_pages = max_bytes // _PAGE_BYTES
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.executescript(_SCHEMA)

    def append(self, rows: Sequence[OutboxRow]) -> None:
        """Store rows in one transaction; they are on disk when this returns."""
        with self._transaction() as connection:
            connection.executemany("INSERT INTO outbox (kind, key, body) VALUES (?, ?, ?)", rows)

    def oldest(self, limit: int) -> list[OutboxRow]:
        """Rows to ship, in the order they came; refused ones left out."""
        with self._connection() as connection:
            query = "SELECT kind, key, body FROM outbox WHERE refused IS NULL ORDER BY sequence"
            return [OutboxRow(*row) for row in connection.execute(f"{query} LIMIT ?", (limit,))]

    def remove(self, keys: Sequence[str]) -> None:
        """Forget rows that are in the database."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM outbox WHERE key = ?", [(key,) for key in keys])

    def set_aside(self, key: str, reason: str) -> None:
        """Keep a row that the database refuses, so that it blocks no other."""
        with self._transaction() as connection:
            connection.execute("UPDATE outbox SET refused = ? WHERE key = ?", (reason, key))

    def holds(self, key: str) -> bool:
        """Whether a row with this key waits here."""
        with self._connection() as connection:
            found = connection.execute("SELECT 1 FROM outbox WHERE key = ?", (key,)).fetchone()
            return found is not None

    def depth(self) -> int:
        """Rows that are not in the database yet."""
        with self._connection() as connection:
            return int(connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def set_aside_rows(self) -> int:
        """Rows that the database refused."""
        query = "SELECT count(*) FROM outbox WHERE refused IS NOT NULL"
        with self._connection() as connection:
            return int(connection.execute(query).fetchone()[0])

    def oldest_age(self) -> float:
        """Seconds since the oldest row that waits for the database was made; 0 where none does."""
        rows = self.oldest(1)
        if not rows:
            return 0.0
        made = datetime.fromisoformat(json.loads(rows[0].body)["at"])
        return max((datetime.now(UTC) - made).total_seconds(), 0.0)

    def probe(self) -> None:
        """Write something and take it away again: whether rows could be stored now."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO probe VALUES (zeroblob(?))", (_PROBE_BYTES,))
            connection.execute("DELETE FROM probe")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            if not hasattr(self._local, "connection"):
                self._local.connection = self._connect()
            yield self._local.connection
        except sqlite3.Error as error:
            raise LogUnavailable(
                f"The prediction log cannot be used: {error}.",
                remedy=f"See that the disk holding {self._path.name} is writable and not full.",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        _enable_write_ahead_log(connection)
        # FULL: a commit has reached the disk, so it survives a power cut as well as a kill.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA max_page_count={self._max_pages}")
        return connection


def _enable_write_ahead_log(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for other processes while it switches to the write-ahead log.
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
