"""A database of every earlier release is brought up to date with all its rows."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    select,
)
from sqlalchemy.types import TypeEngine

import ml.store.migrate
from ml.contract.quality import measure
from ml.store import ledger
from ml.store.database import open_database, reading, writing
from ml.store.migrate import knows, migrate
from ml.store.predictions import read_predictions

_MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ROWS = 3


def _config() -> Config:
    config = Config()
    folder = ml.store.migrate.__file__.replace("migrate.py", "migrations")
    config.set_main_option("script_location", folder)
    return config


def earlier_revisions() -> list[str]:
    newest_first = [s.revision for s in ScriptDirectory.from_config(_config()).walk_revisions()]
    return newest_first[:0:-1]


@pytest.fixture(params=earlier_revisions())
def old(request: pytest.FixtureRequest, empty_url: str) -> Engine:
    """A database as that release left it, with rows in every table."""
    engine = open_database(empty_url)
    config = _config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, request.param)
    for number in range(_ROWS):
        ledger.append(
            engine, actor="ops", action="gate", subject=f"run-{number}", reason="", evidence={}
        )
    for table in _tables(engine).values():
        if table.name != "ledger":
            with writing(engine) as connection:
                connection.execute(
                    table.insert(),
                    [_row(table, number) for number in range(_ROWS)],
                )
    yield engine
    engine.dispose()


def _tables(engine: Engine) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(engine)
    return {name: table for name, table in metadata.tables.items() if name != "alembic_version"}


def _row(table: Table, number: int) -> dict[str, object]:
    values = {column.name: _value(column.type, number) for column in table.c}
    if table.name == "predictions":  # which are read below
        values |= {"channel": "predict", "action": "report", "reasons": [], "embedding": []}
        values |= {"statistics": measure(np.zeros((8, 8), np.uint8)).model_dump()}
        values |= {"role": "production"} if "role" in table.c else {}
    return values


def _value(kind: TypeEngine[Any], number: int) -> object:
    for known, value in (
        (JSON, {"normal": number}),
        (Boolean, True),
        (Integer, number),
        (Float, number / 2),
        (LargeBinary, bytes([number])),
        (DateTime, _MOMENT),
    ):
        if isinstance(kind, known):
            return value
    return f"row-{number}"


def _rows(engine: Engine, tables: dict[str, Table]) -> dict[str, list[Any]]:
    with reading(engine) as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table)).all()), key=repr)
            for name, table in tables.items()
        }


def test_all_rows_are_kept(old: Engine) -> None:
    tables = _tables(old)
    before = _rows(old, tables)
    assert all(len(rows) == _ROWS for rows in before.values())
    migrate(old)
    assert _rows(old, tables) == before
    assert ledger.verify(old) == _ROWS


def test_old_answers_are_read_as_those_of_production(old: Engine) -> None:
    migrate(old)
    found = read_predictions(old, since=_MOMENT, until=datetime.now(UTC), limit=10)
    assert {(r.request_id, r.role) for r in found} == {
        (f"row-{number}", "production") for number in range(_ROWS)
    }


def test_this_release_knows_its_own_and_earlier_schemas() -> None:
    assert all(knows(revision) for revision in earlier_revisions())
    assert not knows("9999")
