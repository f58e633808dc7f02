import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ml.contract.api_keys import KeyRing, issue, write_keys
from ml.store.database import open_database
from ml.store.predictions import count_predictions
from serving.__main__ import main
from serving.client import Client
from serving.client_errors import RequestRefused
from tests.fakes.certificate import own_certificate
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


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hospital.example"])
def test_without_keys_no_other_machine_is_listened_to(tiny_bundle, caplog, host):
    assert main(["--bundle", str(tiny_bundle), "--port", "0", "--host", host]) == 2
    assert "there are no keys" in caplog.text


def test_a_key_file_that_is_missing_refuses_to_start(tiny_bundle, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("VIGIE_API_KEYS_FILE", str(tmp_path / "absent.json"))
    assert main(["--bundle", str(tiny_bundle), "--port", "0"]) == 2
    assert "absent.json cannot be read" in caplog.text


def test_half_a_certificate_refuses_to_start(tiny_bundle, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("VIGIE_TLS_CERTIFICATE", str(tmp_path / "chain.pem"))
    assert main(["--bundle", str(tiny_bundle), "--port", "0"]) == 2
    assert "HTTPS cannot be served" in caplog.text


def test_with_a_certificate_it_speaks_https_alone(tmp_path, tiny_bundle):
    chain, key = own_certificate(tmp_path)
    environment = {"VIGIE_TLS_CERTIFICATE": str(chain), "VIGIE_TLS_KEY": str(key)}
    trusted = ssl.create_default_context(cafile=str(chain))
    with ServerProcess(
        tmp_path / "home", "--bundle", str(tiny_bundle), environment=environment
    ) as server:
        answer = httpx.get(f"{server.url.replace('http:', 'https:')}/health/live", verify=trusted)
        assert answer.status_code == 200
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{server.url}/health/live")


def test_with_keys_other_machines_may_ask(tmp_path, tiny_bundle):
    home = tmp_path / "home"
    key, kept = issue("client", ["predict"], now=datetime.now(UTC))
    write_keys(home / "secrets" / "api-keys.json", KeyRing([kept]))
    with (
        ServerProcess(home, "--bundle", str(tiny_bundle), "--host", "0.0.0.0") as server,
        Client(server.url, key=key) as known,
        Client(server.url) as stranger,
    ):
        assert known.predict(png()).label
        with pytest.raises(RequestRefused, match="no key"):
            stranger.predict(png())


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
