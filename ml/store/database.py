"""Opening the database and its transactions, alike on SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    OperationalError,
)

from ml.contract.errors import InvalidParams, Unavailable

Lock = Literal["migrations", "ledger", "store", "production"]

# PostgreSQL's advisory locks are numbers in one space per database; these are ours.
ADVISORY_LOCKS: dict[Lock, int] = {
    "migrations": 7_341_001,
    "ledger": 7_341_002,
    "store": 7_341_003,
    "production": 7_341_004,
}
_BUSY_MILLISECONDS = 30_000
# libpq's names; seconds, but for the last one. Linux would wait two minutes for a host that has
# vanished when it connects, a quarter of an hour when it sends, and for ever when it listens.
_POSTGRESQL_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def open_database(url: str) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`; connects only when first used.

    A PostgreSQL host that has vanished is noticed within half a minute, unless the URL says
    otherwise in libpq's words: `?connect_timeout=60`.

    Raises:
        InvalidParams: the URL is malformed or names another database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidParams(
            "The database URL cannot be read.",
            remedy="Write sqlite:////folder/vigie.db or postgresql://user:password@host/name.",
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed)
    if backend in ("postgresql", "postgres"):
        # SQLAlchemy's own default driver for these changed between releases.
        parsed = parsed.set(drivername="postgresql+psycopg2")
        patience = {
            name: value for name, value in _POSTGRESQL_PATIENCE.items() if name not in parsed.query
        }
        return create_engine(
            parsed, pool_pre_ping=True, hide_parameters=True, connect_args=patience
        )
    raise InvalidParams(
        f"{backend} is not a supported database.", remedy="Use SQLite or PostgreSQL."
    )


def on_server(url: str, database: str) -> str:
    """The URL of one database of the PostgreSQL server at `url`, its driver named.

    Raises:
        InvalidParams: the URL is malformed or names another kind of server.
    """
    try:
        server = make_url(url)
    except ArgumentError as error:
        raise InvalidParams(
            "The URL of the PostgreSQL server cannot be read.",
            remedy="Write postgresql://user:password@host:5432.",
        ) from error
    if server.get_backend_name() not in ("postgresql", "postgres"):
        raise InvalidParams(
            f"{server.get_backend_name()} is not PostgreSQL.",
            remedy="Write postgresql://user:password@host:5432.",
        )
    # SQLAlchemy's own default driver changed between releases.
    named = server.set(drivername="postgresql+psycopg2", database=database)
    return named.render_as_string(hide_password=False)


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise InvalidParams(
            "An in-memory database would lose the predictions.", remedy="Name a file."
        )
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Python's driver would otherwise decide by itself when a transaction begins.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # images that were reviewed leave nothing behind
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database.

    Raises:
        Unavailable: the database does not answer.
    """
    with answering(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, *, lock: Lock | None = None) -> Iterator[Connection]:
    """A transaction that commits at its end; holders of the same `lock` wait for each other.

    SQLite has one writer at a time anyway: it takes its place in the queue at the beginning,
    since a reader that becomes a writer half-way would be turned away.

    Raises:
        Unavailable: the database does not answer.
    """
    immediate = engine.execution_options(sqlite_begin="IMMEDIATE")
    with answering(engine), immediate.begin() as connection:
        if lock is not None and engine.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCKS[lock]}
            )
        yield connection


@contextmanager
def answering(engine: Engine) -> Iterator[None]:
    """Say in our words that the database does not answer.

    Raises:
        Unavailable: it does not.
    """
    try:
        yield
    except DBAPIError as error:
        # Constraint and programming errors have classes of their own and are ours to see.
        if type(error) not in (OperationalError, InterfaceError, DatabaseError):
            raise
        raise Unavailable(
            f"The {engine.dialect.name} database does not answer: {error.orig}",
            remedy="Check that it runs, that the URL is right and that migrations were applied.",
        ) from error
