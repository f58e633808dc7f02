import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from ml.cli import app
from ml.contract.api_keys import read_keys
from ml.contract.errors import InvalidParams, NotFound
from ml.store.database import open_database
from ml.store.ledger import about


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command, with a home of its own; what it prints as JSON."""
    monkeypatch.setenv("VIGIE_HOME", str(tmp_path))

    def run(*arguments):
        result = CliRunner().invoke(app, ["--json", "keys", *arguments], catch_exceptions=False)
        if isinstance(result.exception, Exception):
            raise result.exception
        return json.loads(result.stdout)

    return run


@pytest.fixture
def ring(tmp_path):
    return lambda: read_keys(tmp_path / "secrets" / "api-keys.json")


def test_a_key_is_shown_once_and_listed_without_its_secret(run, ring):
    made = run("add", "client", "--scope", "predict", "--scope", "feedback", "--days", "30")
    assert ring().find(made["key"], datetime.now(UTC)).name == "client"
    (listed,) = run("list")
    assert set(listed["scopes"]) == {"predict", "feedback"}
    assert "sha256" not in listed
    assert made["key"] not in json.dumps(listed)


def test_rotating_leaves_both_good_for_a_while(run, ring):
    old = run("add", "client", "--scope", "predict")
    new = run("rotate", old["key_id"], "--hours", "1")
    now = datetime.now(UTC)
    assert ring().find(old["key"], now).expires_at > now
    assert ring().find(new["key"], now).scopes == {"predict"}
    again = run("rotate", new["key_id"], "--hours", "0")
    assert ring().find(new["key"], datetime.now(UTC)) is None
    assert ring().find(again["key"], datetime.now(UTC))


def test_a_revoked_key_is_gone_and_the_ledger_knows(run, ring, tmp_path):
    made = run("add", "client", "--scope", "predict")
    run("revoke", made["key_id"], "--reason", "laptop stolen")
    assert len(ring()) == 0
    lines = about(open_database(f"sqlite:///{tmp_path}/vigie.db"), f"key/{made['key_id']}")
    assert [line.reason for line in lines] == ["key made", "key ended: laptop stolen"]
    assert made["key"] not in str(lines)


def test_a_process_gets_its_key_once_and_anew_when_it_is_no_longer_good(run, ring, tmp_path):
    target = tmp_path / "keys" / "metrics.key"
    order = ("provide", "prometheus", str(target), "--scope", "metrics")
    assert [run(*order)["made"] for _ in range(2)] == [True, False]
    assert target.stat().st_mode & 0o777 == 0o600
    key = ring().find(target.read_text().strip(), datetime.now(UTC))
    assert key.scopes == {"metrics"}
    run("revoke", key.key_id, "--reason", "lost")
    assert run(*order)["made"]
    assert len(ring()) == 1


def test_unknown_scopes_and_keys_are_refused_by_name(run):
    with pytest.raises(InvalidParams, match="no scope everything"):
        run("add", "client", "--scope", "everything")
    with pytest.raises(NotFound, match="aaaaaaaaaaaa"):
        run("revoke", "aaaaaaaaaaaa", "--reason", "x")


def test_no_keys_is_an_empty_list(run):
    assert run("list") == []
