import logging
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ml.contract.errors import BundleInvalid, LedgerBroken
from ml.contract.records import ModelIdentity
from ml.store import ledger
from ml.store.database import open_database, writing
from ml.store.migrate import migrate
from serving.ledger_check import LedgerCheck

VERSION = ModelIdentity(name="vigie", version="7", bundle="ab" * 32)


@pytest.fixture
def database(tmp_path: Path) -> Engine:
    engine = open_database(f"sqlite:///{tmp_path}/vigie.db")
    migrate(engine)
    return engine


def register(database: Engine, bundle: str = VERSION.bundle) -> None:
    ledger.append(
        database,
        actor="pipeline",
        action="register",
        subject="vigie/7",
        reason="weekly",
        evidence={"bundle_sha256": bundle},
    )


def test_a_version_that_was_registered_with_this_bundle_is_confirmed(database, caplog):
    caplog.set_level(logging.INFO)
    register(database)
    LedgerCheck(database).confirm(VERSION)
    assert "vigie/7 is in the ledger with the same bundle" in caplog.text


def test_a_tag_that_was_changed_afterwards_is_refused(database):
    register(database, bundle="cd" * 32)
    with pytest.raises(BundleInvalid, match="another bundle"):
        LedgerCheck(database).confirm(VERSION)


def test_a_version_that_nobody_registered_is_refused(database):
    register(database)
    stranger = ModelIdentity(name="vigie", version="8", bundle="ab" * 32)
    with pytest.raises(BundleInvalid, match="not of vigie/8"):
        LedgerCheck(database).confirm(stranger)


def test_a_line_that_was_changed_to_fit_is_refused(database):
    register(database, bundle="cd" * 32)
    with writing(database) as connection:
        connection.execute(
            text("UPDATE ledger SET evidence = replace(evidence, :theirs, :ours)"),
            {"theirs": "cd" * 32, "ours": VERSION.bundle},
        )
    with pytest.raises(LedgerBroken):
        LedgerCheck(database).confirm(VERSION)


def test_what_could_not_be_checked_is_said(database, tmp_path, caplog):
    LedgerCheck(database).confirm(VERSION)
    assert "it tells of no registration" in caplog.text
    LedgerCheck(open_database(f"sqlite:///{tmp_path}/never-migrated.db")).confirm(VERSION)
    assert "no answer" in caplog.text
