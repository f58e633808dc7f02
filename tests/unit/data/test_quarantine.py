import hashlib
import stat
from pathlib import Path

import pytest

from ml.data.quarantine import Quarantine


def test_bytes_are_kept_with_their_reasons_for_the_owner_alone(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine")
    identity = quarantine.add(
        b"broken", reasons=["cut short"], code="unreadable-image", label="benign", batch_id="b"
    )
    assert identity == hashlib.sha256(b"broken").hexdigest()
    folder = tmp_path / "quarantine" / identity
    assert (folder / "content").read_bytes() == b"broken"
    assert stat.S_IMODE((folder / "content").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "reasons.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (record,) = quarantine.list()
    assert (record.reasons, record.code, record.label) == (["cut short"], record.code, "benign")


def test_the_same_file_again_adds_its_new_reasons(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    for reason in ("first", "second", "first"):
        quarantine.add(b"x", reasons=[reason], code="c", label=None, batch_id="b")
    (record,) = quarantine.list()
    assert record.reasons == ["first", "second"]


def test_a_file_without_bytes_is_listed_under_its_identity(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.add(None, reasons=["gone"], code="c", label=None, batch_id="b", identity="f00")
    (record,) = quarantine.list()
    assert (record.quarantine_id, record.file_bytes) == ("f00", 0)
    with pytest.raises(ValueError, match="identity"):
        quarantine.add(None, reasons=["gone"], code="c", label=None, batch_id="b")


def test_an_entry_without_reasons_is_unfinished_and_not_listed(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "content").write_bytes(b"x")
    assert Quarantine(tmp_path).list() == []


def test_an_empty_quarantine_lists_nothing(tmp_path: Path) -> None:
    assert Quarantine(tmp_path / "none").list() == []
