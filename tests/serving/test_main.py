import socket
import time
from pathlib import Path

import httpx
import pytest

from ml.store.database import open_database
from ml.store.predictions import count_predictions
from serving.__main__ import main
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import png
from tests.serving.server_process import ServerProcess


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIE_HOME", str(tmp_path / "home"))


def test_a_folder_that_is_no_bundle_refuses_to_start(tmp_path, caplog):
    assert main(["--bundle", str(tmp_path), "--port", "0"]) == 2
    assert "holds no bundle.json" in caplog.text


def test_a_bundle_that_fails_its_golden_answers_refuses_to_start(tmp_path, caplog):
    bundle = write_tiny_bundle(tmp_path / "bad", golden_offset=0.5)
    assert main(["--bundle", str(bundle), "--port", "0"]) == 2
    assert "golden" in caplog.text


def test_an_unknown_engine_is_refused_by_name(tiny_bundle, monkeypatch, caplog):
    monkeypatch.setenv("VIGIE_ENGINE", "abacus")
    assert main(["--bundle", str(tiny_bundle), "--port", "0"]) == 2
    assert "VIGIE_ENGINE cannot be used: Input should be 'auto'" in caplog.text


def test_a_taken_port_is_named(tiny_bundle, caplog):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["--bundle", str(tiny_bundle), "--port", str(port)]) == 2
    assert f"Port {port}" in caplog.text


def test_a_database_that_is_not_supported_refuses_to_start(tiny_bundle, monkeypatch, caplog):
    monkeypatch.setenv("VIGIE_DATABASE_URL", "mongodb://somewhere/db")
    assert main(["--bundle", str(tiny_bundle), "--port", "0"]) == 2
    assert "not a supported database" in caplog.text


def test_a_stopped_server_ends_its_requests_and_ships_its_log(tmp_path, tiny_bundle):
    with ServerProcess(tmp_path / "home", "--bundle", str(tiny_bundle)) as server:
        assert httpx.post(f"{server.url}/predict", files={"file": png()}).status_code == 200
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 10
    assert count_predictions(open_database(f"sqlite:///{tmp_path}/home/vigie.db")) == 1


def test_two_processes_on_one_home_answer_and_log_side_by_side(tmp_path, tiny_bundle):
    home = tmp_path / "home"
    with (
        ServerProcess(home, "--bundle", str(tiny_bundle)) as first,
        ServerProcess(home, "--bundle", str(tiny_bundle)) as second,
    ):
        for server in (first, second) * 10:
            answer = httpx.post(f"{server.url}/predict", files={"file": png()})
            assert answer.status_code == 200
        first.stop()
        second.stop()
    assert count_predictions(open_database(f"sqlite:///{home}/vigie.db")) == 20
