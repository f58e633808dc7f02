"""Each test of the store runs on a real SQLite file and on a real PostgreSQL database."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ml.store.database import open_database
from ml.store.migrate import migrate
from tests.fakes.postgres_process import PostgresProcess


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    """A PostgreSQL server of this test session, or a skip that says why there is none."""
    with PostgresProcess() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'vigie.db'}"
        return
    uri = request.getfixturevalue("postgres_uri")
    name = f"vigie_{uuid.uuid4().hex[:12]}"
    server = open_database(uri).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield uri.replace("/postgres?", f"/{name}?")
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    """A migrated database."""
    engine = open_database(empty_url)
    migrate(engine)
    yield engine
    engine.dispose()
