from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ml.contract.errors import Unavailable
from ml.store import ledger
from ml.store.database import open_database, writing
from ml.store.dump import dump, is_empty, kind_of, load
from ml.store.postgres_tools import ToolMissing, run_tool


def _line(engine: Engine, subject: str) -> None:
    ledger.append(engine, actor="ops", action="gate", subject=subject, reason="", evidence={})


@pytest.fixture
def other_url(engine: Engine, tmp_path: Path) -> str:
    """An empty database of the same kind."""
    if engine.dialect.name == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'other.db'}"
    server = engine.execution_options(isolation_level="AUTOCOMMIT")
    name = f"{engine.url.database}_other"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return engine.url.set(database=name).render_as_string(hide_password=False)


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def test_what_was_dumped_comes_back(engine: Engine, other_url: str, tmp_path: Path) -> None:
    _line(engine, "version 1")
    assert is_empty(other_url)
    made = dump(_url(engine), tmp_path / "dump")
    assert (made.kind, made.revision) == (kind_of(other_url), "0005")
    load(other_url, tmp_path / "dump")
    assert not is_empty(other_url)
    other = open_database(other_url)
    assert ledger.read(other) == ledger.read(engine)
    assert ledger.verify(other) == 1
    other.dispose()


def test_a_writer_in_the_middle_is_neither_waited_for_nor_seen(
    engine: Engine, other_url: str, tmp_path: Path
) -> None:
    _line(engine, "version 1")
    with writing(engine) as connection:
        connection.execute(text("UPDATE ledger SET reason = 'half-done'"))
        dump(_url(engine), tmp_path / "dump")
    load(other_url, tmp_path / "dump")
    other = open_database(other_url)
    assert ledger.verify(other) == 1
    other.dispose()


def test_a_database_that_is_not_empty_is_left_as_it_is(engine: Engine, tmp_path: Path) -> None:
    _line(engine, "version 1")
    dump(_url(engine), tmp_path / "dump")
    _line(engine, "version 2")
    with pytest.raises((FileExistsError, Unavailable)):
        load(_url(engine), tmp_path / "dump")
    assert ledger.verify(engine) == 2


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "vigie.db"
    broken.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(Unavailable, match=r"vigie\.db cannot be copied"):
        dump(f"sqlite:///{broken}", tmp_path / "dump")


def test_tools_older_than_the_server_are_named_with_what_is_needed(engine: Engine) -> None:
    with pytest.raises(ToolMissing, match="of version 99, and no pg_dump is that new") as error:
        run_tool("pg_dump", engine.url, 99)
    assert "client programs of version 99" in error.value.remedy


def test_a_password_is_not_among_the_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.engine import make_url

    seen = tmp_path / "seen"
    tool = tmp_path / "pg_dump"
    tool.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 98.1" && exit\n'
        f'echo "$@" > {seen}; echo "$PGPASSWORD" >> {seen}\n'
    )
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    run_tool("pg_dump", make_url("postgresql+psycopg2://vigie:hush@db:5432/vigie"), 98)
    arguments, password = seen.read_text().splitlines()
    assert "hush" not in arguments
    assert "postgresql://vigie@db:5432/vigie" in arguments
    assert password == "hush"
