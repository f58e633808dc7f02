"""Bring a database to the schema of this release."""

import logging
import threading
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from ml.contract.errors import Refusal, Unavailable
from ml.store.database import writing

_MIGRATIONS = Path(__file__).with_name("migrations")
_WAL_ATTEMPTS = 100
_logger = logging.getLogger(__name__)
# Alembic keeps the migration under way in a module-level variable.
_one_at_a_time = threading.Lock()


def migrate(engine: Engine) -> None:
    """Apply the migrations that are missing, all or none; any number of processes may call it.

    Raises:
        Unavailable: the database does not answer.
        Refusal: the database was migrated by a newer release.
    """
    config = _config()
    if engine.dialect.name == "sqlite":
        _let_readers_and_a_writer_work_side_by_side(engine)
    with _one_at_a_time, writing(engine, lock="migrations") as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Refusal(
                f"The database has a schema that this release does not know: {error}.",
                remedy="Run the release that migrated it, or a newer one.",
            ) from error
    _logger.info("The %s database has the current schema", engine.dialect.name)


def knows(revision: str) -> bool:
    """Whether this release can use a database that was migrated to `revision`."""
    known = ScriptDirectory.from_config(_config()).walk_revisions()
    return revision in {script.revision for script in known}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _let_readers_and_a_writer_work_side_by_side(engine: Engine) -> None:
    # Write-ahead logging is a lasting property of the file. SQLite does not wait for other
    # processes when it is switched on, so a busy file is asked again.
    connection = engine.raw_connection()
    try:
        for attempt in range(_WAL_ATTEMPTS):
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            except engine.dialect.loaded_dbapi.OperationalError as error:
                if attempt == _WAL_ATTEMPTS - 1 or "locked" not in str(error):
                    raise Unavailable(
                        f"The sqlite database does not answer: {error}",
                        remedy="Check that its folder is writable and no other program holds it.",
                    ) from error
                time.sleep(0.05)
            else:
                return
    finally:
        connection.close()
