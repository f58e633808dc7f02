import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ml.contract.errors import Unavailable
from ml.store.database import open_database
from ml.store.predictions import count_predictions, read_predictions
from serving.outbox import Outbox, OutboxRow
from serving.shipper import Shipper
from tests.serving.images import png


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite")


@pytest.fixture
def database(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path}/vigie.db")


@pytest.fixture
def prediction(client) -> OutboxRow:
    client.post("/predict", files={"file": png()})
    server = client.app.state.server
    server.shipper.ship()
    (record,) = read_predictions(server.database)
    return OutboxRow("prediction", record.request_id, record.model_dump_json())


def test_nothing_is_answered_that_cannot_be_logged(start_app, tmp_path):
    (tmp_path / "vigie.db").mkdir()  # no database opens there
    client = start_app(max_outbox_bytes=2**17, database_url=f"sqlite:///{tmp_path}/vigie.db")
    statuses = []
    while 503 not in statuses:
        statuses.append(client.post("/predict", files={"file": png()}).status_code)
        assert len(statuses) < 500
    answer = client.post("/batch_predict", files=[("files", png())])
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:vigie:problem:log-unavailable"
    assert answer.headers["Retry-After"]
    assert client.app.state.server.outbox.depth() == statuses.count(200)
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["reasons"]) == (
        503,
        ["The prediction log cannot be written."],
    )


def test_shipping_twice_stores_once(outbox, database, prediction):
    shipper = Shipper(outbox, database, on_refused=lambda: None)
    for _ in range(2):
        outbox.append([prediction])
        assert shipper.ship() == 1
    assert count_predictions(database) == 1
    assert outbox.depth() == 0


def test_a_row_the_database_refuses_blocks_no_other(outbox, database, prediction):
    refused = []
    outbox.append([OutboxRow("prediction", "bad", '{"no": "record"}'), prediction])
    Shipper(outbox, database, on_refused=lambda: refused.append(1)).ship()
    assert count_predictions(database) == 1
    assert (len(refused), outbox.depth(), outbox.holds("bad")) == (1, 1, True)


def take_away(path: Path) -> Path:
    """Make the database at `path` impossible to open; returns the folder where it went."""
    away = path.with_suffix(".away")
    away.mkdir()
    # Another thread may hold a connection, so that not all has come from the log to the file yet.
    for file in path.parent.glob(f"{path.name}*"):
        file.rename(away / file.name)
    path.mkdir()
    return away


def bring_back(path: Path, away: Path) -> None:
    path.rmdir()
    for file in away.iterdir():
        file.rename(path.parent / file.name)


def test_an_outage_of_the_database_loses_nothing(outbox, database, prediction, tmp_path):
    shipper = Shipper(outbox, database, on_refused=lambda: None)
    assert shipper.ship() == 0
    database.dispose()
    away = take_away(tmp_path / "vigie.db")
    outbox.append([prediction])
    with pytest.raises(Unavailable):
        shipper.ship()
    assert outbox.depth() == 1
    bring_back(tmp_path / "vigie.db", away)
    shipper.ship()
    assert (outbox.depth(), count_predictions(database)) == (0, 1)


def test_answers_given_during_an_outage_arrive_after_it(start_app, tmp_path):
    path = tmp_path / "vigie.db"
    client = start_app(database_url=f"sqlite:///{path}")
    server = client.app.state.server
    server.shipper.ship()
    server.database.dispose()
    away = take_away(path)
    assert client.post("/predict", files={"file": png()}).status_code == 200
    time.sleep(0.3)
    assert server.outbox.depth() == 1
    bring_back(path, away)
    deadline = time.monotonic() + 20
    while server.outbox.depth():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert count_predictions(server.database) == 1
