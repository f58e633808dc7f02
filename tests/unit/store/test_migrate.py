import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from ml.contract.errors import Refusal
from ml.store.database import open_database, reading, writing
from ml.store.migrate import migrate
from ml.store.tables import METADATA

_MIGRATE = """
import sys
from ml.store.database import open_database
from ml.store.migrate import migrate
print("ready", flush=True)
sys.stdin.readline()
migrate(open_database(sys.argv[1]))
"""


def test_the_migrated_schema_equals_the_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_processes_that_start_at_once_all_find_the_schema(empty_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _MIGRATE, empty_url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
    engine = open_database(empty_url)
    assert {"predictions", "feedback", "ledger"} <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_threads_may_migrate_at_once(empty_url: str) -> None:
    engines = [open_database(empty_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, engines))
    for engine in engines:
        engine.dispose()


def test_a_database_of_a_newer_release_is_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refusal, match="does not know"):
        migrate(engine)


def test_the_working_directory_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    migrate(open_database(f"sqlite:///{tmp_path / 'vigie.db'}"))
    assert all(path.name.startswith("vigie.db") for path in tmp_path.iterdir())


def test_on_sqlite_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'vigie.db'}")
    migrate(engine)
    with writing(engine) as writer:
        writer.execute(
            text(
                "INSERT INTO feedback (feedback_id, request_id, at, label, author, comment)"
                " VALUES ('f','r','2026-01-01','l','a','c')"
            )
        )
        with reading(engine) as reader:
            assert reader.execute(text("SELECT count(*) FROM feedback")).scalar() == 0
