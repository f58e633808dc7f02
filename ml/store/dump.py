"""One database as one file, taken while others write to it, and back into an empty database."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import make_url

from ml.contract.errors import Unavailable
from ml.store.database import open_database, reading
from ml.store.postgres_tools import run_tool

Kind = Literal["sqlite", "postgresql"]
_SQLITE_HEADER = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Dump:
    """What was dumped; `revision` is the migration it stands at, if any was ever applied."""

    kind: Kind
    revision: str | None


def kind_of(url: str) -> Kind:
    """Which of the two a URL names."""
    return "sqlite" if make_url(url).get_backend_name() == "sqlite" else "postgresql"


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database, None for PostgreSQL."""
    return Path(make_url(url).database or "") if kind_of(url) == "sqlite" else None


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER


def is_empty(url: str) -> bool:
    """Whether nothing would be overwritten: no such file, or no tables.

    Raises:
        Unavailable: the database does not answer.
    """
    file = sqlite_file(url)
    if file is not None:
        return not file.exists()
    with _opened(url) as engine, reading(engine) as connection:
        return not inspect(connection).get_table_names()


def dump(url: str, target: Path) -> Dump:
    """Write what is committed now to a new file; writers are not held up.

    Raises:
        ToolMissing: no `pg_dump` fits the server.
        Unavailable: the database does not answer.
    """
    file = sqlite_file(url)
    if file is not None:
        dump_sqlite(file, target)
        with _opened(f"sqlite:///{target}") as engine, reading(engine) as connection:
            return Dump("sqlite", _revision(connection))
    with _opened(url) as engine, reading(_unmoved(engine)) as connection:
        # The dump sees what this transaction sees, so the revision is the dump's own.
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        found = Dump("postgresql", _revision(connection))
        run_tool(
            "pg_dump",
            engine.url,
            _server(connection),
            *("--format=custom", "--no-owner", "--no-privileges"),
            *(f"--snapshot={snapshot}", f"--file={target}"),
        )
    return found


def dump_sqlite(file: Path, target: Path) -> None:
    """Copy an SQLite file with what its write-ahead log holds, as one state.

    Raises:
        Unavailable: it is no database, or damaged.
    """
    try:
        with (
            closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as error:
        raise Unavailable(
            f"The database {file} cannot be copied: {error}",
            remedy="Check it with `sqlite3 FILE 'PRAGMA integrity_check'`.",
        ) from error


def load(url: str, source: Path) -> None:
    """Fill an empty database from a dump of its kind, as a whole or not at all.

    Raises:
        FileExistsError: the SQLite file is there already.
        ToolMissing: no `pg_restore` fits the server.
        Unavailable: the database does not answer, or is not empty.
    """
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as content, file.open("xb") as target:
            shutil.copyfileobj(content, target)
            target.flush()
            os.fsync(target.fileno())
        return
    with _opened(url) as engine:
        with reading(engine) as connection:
            server = _server(connection)
        run_tool(
            "pg_restore",
            engine.url,
            server,
            *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
            str(source),
        )


def _unmoved(engine: Engine) -> Engine:
    return engine.execution_options(isolation_level="REPEATABLE READ")


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _server(connection: Connection) -> int:
    number: str = connection.execute(text("SHOW server_version_num")).scalar_one()
    return int(number) // 10_000


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
