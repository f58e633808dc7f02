import time

from alembic import command
from alembic.config import Config
from sqlalchemy import text

import ml.store.migrate
from ml.store import ledger
from ml.store.database import open_database, reading, writing
from tests.serving.images import png


def test_a_server_brings_the_database_of_the_first_release_up_to_date(start_app, tmp_path):
    url = f"sqlite:///{tmp_path}/vigie.db"
    database = open_database(url)
    config = Config()
    folder = ml.store.migrate.__file__.replace("migrate.py", "migrations")
    config.set_main_option("script_location", folder)
    with writing(database) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    line = ledger.append(
        database, actor="ops", action="promote", subject="vigie/1", reason="", evidence={}
    )

    client = start_app(database_url=url)
    assert client.post("/predict", files={"file": png()}).status_code == 200
    deadline = time.monotonic() + 20
    while client.app.state.server.outbox.depth():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with reading(database) as connection:
        answers = connection.execute(text("SELECT role FROM predictions")).scalars().all()
    assert answers == ["production"]
    assert ledger.read(database) == [line]
