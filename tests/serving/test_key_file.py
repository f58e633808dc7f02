"""When the server reads its key file again."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.contract.api_keys import KeyRing, issue, write_keys
from serving.key_file import KeyFile


@pytest.fixture(autouse=True)
def at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.key_file._LOOK_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def overwrite_unnoticed(path: Path, content: bytes) -> None:
    """Other content of the same length and time: all that a repaired right to read changes, too."""
    before = path.stat()
    path.write_bytes(content.ljust(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_revoked_key_ends_when_a_file_that_could_not_be_read_can_be_again(path):
    now = datetime.now(UTC)
    (kept_key, kept), (lost_key, lost) = (issue(n, ["predict"], now=now) for n in ("a", "b"))
    write_keys(path, KeyRing([kept, lost]))
    keys = KeyFile(path)
    write_keys(path, KeyRing([kept]))
    revoked = path.read_bytes()
    path.write_bytes(b"x" * len(revoked))
    assert keys.find(lost_key) == lost
    overwrite_unnoticed(path, revoked)
    assert keys.find(lost_key) is None
    assert keys.find(kept_key) == kept


def test_a_file_that_is_gone_and_comes_back_is_read(path):
    key, kept = issue("a", ["predict"], now=datetime.now(UTC))
    write_keys(path, KeyRing([kept]))
    keys = KeyFile(path)
    path.unlink()
    assert keys.find(key) == kept
    write_keys(path, KeyRing([]))
    assert keys.find(key) is None


def test_each_state_that_cannot_be_read_is_told_of_once(path, caplog):
    caplog.set_level(logging.INFO)
    key, kept = issue("a", ["predict"], now=datetime.now(UTC))
    write_keys(path, KeyRing([kept]))
    good = path.read_bytes()
    keys = KeyFile(path)
    for broken in (b"{", b"nothing", None):
        path.unlink() if broken is None else path.write_bytes(broken)
        for _ in range(3):
            assert keys.find(key) == kept
    path.write_bytes(good)
    assert keys.find(key) == kept
    assert [message.partition(":")[0] for message in caplog.messages] == [
        *["keys read before stay in force"] * 3,
        "1 keys are in force",
    ]
