import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from ml.contract.errors import InvalidParams, Unavailable
from ml.store.database import open_database, reading, writing
from ml.store.predictions import count_predictions
from ml.store.tables import LEDGER


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_that_cannot_serve_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        open_database(url)
    assert raised.value.remedy


def test_a_malformed_url_is_not_repeated_since_it_may_hold_a_password() -> None:
    with pytest.raises(InvalidParams) as raised:
        open_database("postgresql//user:secret@host")
    assert "secret" not in str(raised.value)


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/new/folder/vigie.db")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    assert (tmp_path / "new" / "folder" / "vigie.db").is_file()


def test_a_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    engine = open_database(f"postgresql://postgres@/postgres?host={tmp_path}")
    with pytest.raises(Unavailable), reading(engine) as connection:
        connection.execute(text("SELECT 1"))


@pytest.fixture
def silent_host() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("query", "least", "most"), [("", 4, 15), ("?connect_timeout=2", 1, 4)], ids=["ours", "theirs"]
)
def test_a_host_that_says_nothing_is_unavailable_after_seconds(
    silent_host: str, query: str, least: float, most: float
) -> None:
    engine = open_database(f"postgresql://nobody@{silent_host}/vigie{query}")
    started = time.monotonic()
    with pytest.raises(Unavailable), reading(engine) as connection:
        connection.execute(text("SELECT 1"))
    assert least < time.monotonic() - started < most


def test_a_host_that_vanishes_is_noticed_unless_the_url_says_otherwise(postgres_uri: str) -> None:
    def settled(url: str) -> dict[str, str]:
        engine = open_database(url)
        with reading(engine) as connection:
            chosen: dict[str, str] = connection.connection.get_dsn_parameters()
        engine.dispose()
        return chosen

    ours = settled(postgres_uri)
    assert (ours["tcp_user_timeout"], ours["keepalives_count"]) == ("15000", "3")
    theirs = settled(f"{postgres_uri}&tcp_user_timeout=60000&keepalives_idle=90")
    assert (theirs["tcp_user_timeout"], theirs["keepalives_idle"]) == ("60000", "90")
    assert theirs["keepalives_count"] == "3"


def test_a_file_that_is_no_database_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "vigie.db").write_text("this is a letter, not a database" * 100)
    with pytest.raises(Unavailable):
        count_predictions(open_database(f"sqlite:///{tmp_path / 'vigie.db'}"))


def test_an_error_inside_a_transaction_undoes_all_of_it(engine: Engine) -> None:
    row = {
        "sequence": 1, "at": None, "actor": "a", "action": "gate", "subject": "s",
        "reason": "r", "evidence": {}, "previous_hash": "", "entry_hash": "",
    }  # fmt: skip

    def write_one_good_and_one_bad_row() -> None:
        with writing(engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO feedback (feedback_id, request_id, at, label, author, comment)"
                    " VALUES ('f','r','2026-01-01','l','a','')"
                )
            )
            connection.execute(LEDGER.insert(), row)

    with pytest.raises(IntegrityError):
        write_one_good_and_one_bad_row()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM feedback")).scalar() == 0


def test_values_of_a_failed_statement_stay_out_of_the_message(engine: Engine) -> None:
    with pytest.raises(IntegrityError) as raised, writing(engine) as connection:
        connection.execute(LEDGER.insert(), {"sequence": 1, "actor": "Dr. Nour", "evidence": {}})
    assert "parameters hidden" in str(raised.value)
