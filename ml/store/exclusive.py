"""A lock over all machines of an installation: what they share is the database."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ml.store.database import ADVISORY_LOCKS, Lock, answering

logger = logging.getLogger(__name__)


@contextmanager
def exclusive(engine: Engine, lock: Lock) -> Iterator[None]:
    """Wait for a lock and hold it, for minutes if need be; a killed holder lets go of it.

    PostgreSQL keeps it for the session, so that no transaction stays open meanwhile. An SQLite
    file is on one machine, and so is its lock, in a file beside it.

    Raises:
        Unavailable: the database does not answer.
    """
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.{lock}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with answering(engine):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with connection:
        key = {"key": ADVISORY_LOCKS[lock]}
        with answering(engine):
            connection.execute(text("SELECT pg_advisory_lock(:key)"), key)
        try:
            yield
        finally:
            _unlock(connection, key)


def _unlock(connection: Connection, key: dict[str, int]) -> None:
    try:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
    except DBAPIError:
        # The server has let go of it when the connection broke.
        logger.warning("The database's lock was lost before the work was done.")
        connection.invalidate()
