"""What becomes of rows in the outbox while PostgreSQL answers, but takes nothing."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from ml.contract.errors import Unavailable
from ml.store.database import open_database
from ml.store.migrate import migrate
from ml.store.predictions import count_predictions
from serving.outbox import Outbox, OutboxRow
from serving.shipper import Shipper
from tests.fakes.postgres_process import PostgresProcess
from tests.unit.store.examples import feedback, prediction


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with PostgresProcess() as server:
        yield server.url


class Hospital:
    """A migrated database that a server's user writes to, and its administrator."""

    def __init__(self, url: str) -> None:
        self.name = f"vigie_{uuid.uuid4().hex[:12]}"
        self._server = open_database(url).execution_options(isolation_level="AUTOCOMMIT")
        self.command(f"CREATE ROLE {self.name} LOGIN")
        self.command(f"CREATE DATABASE {self.name} OWNER {self.name}")
        self.url = url.replace("/postgres?", f"/{self.name}?")
        self.user_url = self.url.replace("postgres:@", f"{self.name}:@")
        migrate(open_database(self.user_url))
        self._inside = open_database(self.url).execution_options(isolation_level="AUTOCOMMIT")

    def command(self, sql: str) -> None:
        """As the administrator of the server."""
        with self._server.connect() as connection:
            connection.execute(text(sql))

    def command_inside(self, sql: str) -> None:
        """As the administrator, in this database."""
        with self._inside.connect() as connection:
            connection.execute(text(sql))

    def close(self) -> None:
        self._inside.dispose()
        self.command(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.command(f"DROP ROLE {self.name}")
        self._server.dispose()


@pytest.fixture
def hospital(postgres_url: str) -> Iterator[Hospital]:
    hospital = Hospital(postgres_url)
    yield hospital
    hospital.close()


@pytest.fixture
def database(hospital: Hospital) -> Iterator[Engine]:
    engine = open_database(hospital.user_url)
    yield engine
    engine.dispose()


class Refusals:
    """Counts the rows that were refused for good."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """Three answers and a label wait."""
    outbox = Outbox(tmp_path / "outbox.sqlite")
    for name in ("a", "b", "c"):
        outbox.append([OutboxRow("prediction", name, prediction(name).model_dump_json())])
    outbox.append([OutboxRow("feedback", "f", feedback("f", "a").model_dump_json())])
    return outbox


READ_ONLY = (
    "ALTER DATABASE {name} SET default_transaction_read_only = on",
    "ALTER DATABASE {name} RESET default_transaction_read_only",
    "ReadOnlySqlTransaction",
)
NO_RIGHTS = (
    "ALTER TABLE predictions OWNER TO postgres",
    "ALTER TABLE predictions OWNER TO {name}",
    "InsufficientPrivilege",
)
OLDER_SCHEMA = (
    "ALTER TABLE predictions RENAME COLUMN disagreement TO something_else",
    "ALTER TABLE predictions RENAME COLUMN something_else TO disagreement",
    "UndefinedColumn",
)


@pytest.mark.parametrize(
    ("trouble", "repair", "reason"),
    [READ_ONLY, NO_RIGHTS, OLDER_SCHEMA],
    ids=["reads only", "rights are missing", "schema is older"],
)
@pytest.mark.parametrize("has_shipped", [False, True])
def test_rows_wait_for_a_database_that_takes_nothing_and_arrive_when_it_is_repaired(
    hospital, database, outbox, refusals, trouble, repair, reason, has_shipped
):
    shipper = Shipper(outbox, database, on_refused=refusals)
    before = 0
    if has_shipped:
        before = shipper.ship()
        for name in ("d", "e"):
            outbox.append([OutboxRow("prediction", name, prediction(name).model_dump_json())])
        database.dispose()  # a node that took over knows none of the old connections
    waiting = outbox.depth()
    hospital.command_inside(trouble.format(name=hospital.name))
    for _ in range(2):
        with pytest.raises(Unavailable, match=reason):
            shipper.ship()
    assert (outbox.depth(), outbox.set_aside_rows(), refusals.count) == (waiting, 0, 0)
    hospital.command_inside(repair.format(name=hospital.name))
    assert shipper.ship() == waiting
    assert (outbox.depth(), refusals.count) == (0, 0)
    assert count_predictions(database) == 3 + (2 if before else 0)


def test_rows_wait_while_others_hold_every_connection(hospital, database, outbox, refusals):
    migrate(database)
    crowded = create_engine(database.url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    shipper = Shipper(outbox, crowded, on_refused=refusals)
    with crowded.connect(), pytest.raises(Unavailable, match="TimeoutError"):
        shipper.ship()
    assert (outbox.depth(), outbox.set_aside_rows()) == (4, 0)
    assert shipper.ship() == 4
    assert refusals.count == 0
    crowded.dispose()


def test_a_row_with_a_fault_of_its_own_is_set_aside_alone(database, outbox, refusals):
    too_long = prediction("long", label="x" * 101)
    outbox.append([OutboxRow("prediction", "long", too_long.model_dump_json())])
    Shipper(outbox, database, on_refused=refusals).ship()
    assert (outbox.depth(), outbox.set_aside_rows(), refusals.count) == (1, 1, 1)
    assert outbox.holds("long")
    assert count_predictions(database) == 3


def test_after_an_outage_the_database_is_migrated_again(hospital, database, outbox, refusals):
    shipper = Shipper(outbox, database, on_refused=refusals)
    shipper.ship()
    database.dispose()
    hospital.command_inside("DROP OWNED BY " + hospital.name)  # an empty one took its place
    hospital.command_inside(f"GRANT ALL ON SCHEMA public TO {hospital.name}")
    outbox.append([OutboxRow("prediction", "d", prediction("d").model_dump_json())])
    with pytest.raises(Unavailable, match="UndefinedTable"):
        shipper.ship()
    assert shipper.ship() == 1
    assert (count_predictions(database), refusals.count) == (1, 0)
