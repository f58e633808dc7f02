"""The same over PostgreSQL: its databases are dumped, dropped, made again and restored."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from ml.journey.promote import promote
from ml.settings import Settings
from ml.stack.errors import NotEmpty
from ml.stack.installation import Installation
from ml.stack.restore import restore
from ml.store.database import on_server, open_database
from tests.e2e.conftest import Journey
from tests.e2e.safekeeping import ask, correct, lasting, run, served, told
from tests.e2e.serving import serving
from tests.fakes.judged_runs import judged_run
from tests.fakes.postgres_process import PostgresProcess
from tests.serving.images import png

pytestmark = pytest.mark.slow

DATABASES = ("airflow", "mlflow", "vigie")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with PostgresProcess() as server:
        yield server.url


@pytest.fixture(scope="module")
def site(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """A site with a version in production, all of whose databases are on PostgreSQL, and whose
    operator has set what docs/operations.md says."""
    folder = tmp_path_factory.mktemp("site")
    empty_databases(postgres)
    chosen = Settings(home=folder / "var", postgres_url=postgres)
    version = judged_run(chosen.workspace, "weekly-1")
    promote(chosen.workspace, version.run_key, actor="ops")
    with open_database(on_server(postgres, "airflow")).begin() as connection:
        connection.execute(text("CREATE TABLE dag_run AS SELECT 'weekly' AS run_id"))
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VIGIE_", "MLFLOW_"))
    } | {
        "VIGIE_HOME": str(folder / "var"),
        "VIGIE_POSTGRES_URL": postgres,
        "COLUMNS": "200",
    }
    return Journey(folder / "var", environment, {})


def empty_databases(postgres: str) -> None:
    server = open_database(postgres)
    with server.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for name in DATABASES:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
    server.dispose()


def test_what_was_dumped_dropped_and_restored_answers_as_before(
    site: Journey, postgres: str, tmp_path: Path
) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(png())
    folders = (str(tmp_path / "backups"), "--secrets", str(tmp_path / "keys"))
    with serving(site, tmp_path / "before.log") as url:
        answer = served(url, image)
        correct(url, answer, on_server(postgres, "vigie"))
        before = told(site, image)
        made = run(site, "backup", *folders)
    assert made["databases"] == list(DATABASES)
    assert before["versions"]
    assert len(before[f"ledger trace {image}"]) == 1

    shutil.rmtree(site.home)
    chosen = Settings(home=site.home, postgres_url=postgres)
    with pytest.raises(NotEmpty, match="The database airflow is not empty"):
        restore(Installation.of(chosen), tmp_path / "backups", keys=tmp_path / "keys")
    assert not site.home.exists()

    empty_databases(postgres)
    run(site, "restore", *folders)
    assert told(site, image) == before
    with open_database(on_server(postgres, "airflow")).connect() as connection:
        assert connection.scalar(text("SELECT run_id FROM dag_run")) == "weekly"
    with serving(site, tmp_path / "after.log") as url:
        assert lasting(served(url, image)) == lasting(answer)
    assert ask(site, "ledger", "verify")["lines"] == before["ledger verify"]["lines"]
