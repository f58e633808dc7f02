import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from ml.contract.errors import InvalidParams, NotFound
from ml.stack.backup import back_up
from ml.stack.errors import BackupDamaged, BackupTooNew, NotEmpty
from ml.stack.installation import Installation
from ml.stack.restore import check_backup, restore
from ml.store import ledger
from ml.store.database import open_database, writing
from tests.unit.stack.small_site import add_image, contents, decide, make_site, site, write

_RESTORE = """
import sys
from pathlib import Path
from ml.settings import Settings
from ml.stack.installation import Installation
from ml.stack.restore import restore
restore(Installation.of(Settings(home=Path(sys.argv[1]))), Path(sys.argv[2]), without_keys=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `var`, its `backups`, and `keys`; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("site")
    back_up(make_site(folder / "var"), folder / "backups", keys=folder / "keys")
    return folder


def _lines(installation: Installation) -> list[str]:
    database = open_database(installation.databases["vigie"])
    assert ledger.verify(database)
    lines = [line.subject for line in ledger.read(database)]
    database.dispose()
    return lines


def test_files_come_back_with_permissions_and_times(folder: Path, tmp_path: Path) -> None:
    restore(site(tmp_path / "new"), folder / "backups", keys=folder / "keys")
    for path in (tmp_path / "new").rglob("*"):
        before = folder / "var" / path.relative_to(tmp_path / "new")
        if path.is_file() and path.suffix not in (".db", ".sqlite"):
            assert path.read_bytes() == before.read_bytes()
            assert path.stat().st_mode == before.stat().st_mode
            assert path.stat().st_mtime_ns == before.stat().st_mtime_ns
    assert _lines(site(tmp_path / "new")) == ["version 1"]
    assert (tmp_path / "new" / "secrets").stat().st_mode & 0o077 == 0


def test_an_earlier_backup_comes_back_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    made = make_site(tmp_path / "var")
    first = back_up(made, tmp_path / "backups").name
    decide(made, "version 2")
    back_up(made, tmp_path / "backups")
    restore(site(tmp_path / "new"), tmp_path / "backups", without_keys=True)
    restore(site(tmp_path / "old"), tmp_path / "backups", at=first[:27], without_keys=True)
    assert _lines(site(tmp_path / "new")) == ["version 1", "version 2"]
    assert _lines(site(tmp_path / "old")) == ["version 1"]


@settings(max_examples=60)
@given(st.integers(min_value=0), st.integers(min_value=0), st.integers(1, 255))
def test_any_flipped_byte_is_found_before_anything_is_touched(
    folder: Path, which: int, place: int, change: int
) -> None:
    files = sorted(
        path for path in (folder / "backups").rglob("*") if path.is_file() and path.stat().st_size
    )
    path = files[which % len(files)]
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[place % len(flipped)] ^= change
    path.write_bytes(flipped)
    try:
        with pytest.raises(BackupDamaged):
            restore(site(folder / "new"), folder / "backups", keys=folder / "keys")
        assert not (folder / "new").exists()
    finally:
        path.write_bytes(whole)


def test_a_missing_content_is_named(folder: Path) -> None:
    content = next(path for path in (folder / "backups" / "contents").rglob("*") if path.is_file())
    whole = content.read_bytes()
    content.unlink()
    try:
        with pytest.raises(BackupDamaged, match=content.name):
            check_backup(folder / "backups")
    finally:
        content.write_bytes(whole)


def test_a_folder_without_a_backup_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(NotFound, match="There is no backup in"):
        check_backup(tmp_path)
    with pytest.raises(NotFound, match="There is no backup 1999 in"):
        check_backup(folder / "backups", "1999")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    made = make_site(tmp_path / "var")
    database = open_database(made.databases["vigie"])
    with writing(database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.dispose()
    back_up(made, tmp_path / "backups")
    with pytest.raises(BackupTooNew, match="schema 9999") as error:
        restore(site(tmp_path / "new"), tmp_path / "backups", without_keys=True)
    assert "release that made it" in error.value.remedy
    assert not (tmp_path / "new").exists()


def test_a_newer_format_is_refused(folder: Path, tmp_path: Path) -> None:
    (manifest,) = (folder / "backups" / "backups").iterdir()
    newer = json.dumps({**json.loads(manifest.read_text()), "format": 2}).encode()
    write(tmp_path / "backups" / f"2027-01-01.{hashlib.sha256(newer).hexdigest()}.json", newer)
    with pytest.raises(BackupTooNew, match="not of format 1"):
        check_backup(tmp_path)


def test_a_path_that_leads_out_of_the_installation_is_not_read(
    folder: Path, tmp_path: Path
) -> None:
    (manifest,) = (folder / "backups" / "backups").iterdir()
    content = json.loads(manifest.read_text())
    content["files"]["home"]["../../etc/passwd"] = content["files"]["inbox"]["a.png"]
    forged = json.dumps(content).encode()
    name = f"2027-01-01.{hashlib.sha256(forged).hexdigest()}.json"
    write(tmp_path / "backups" / name, forged)
    with pytest.raises(BackupTooNew):
        check_backup(tmp_path)


@pytest.mark.parametrize("there", ["note.txt", "runs/weekly/gate.json", "vigie.db"])
def test_a_home_that_is_not_empty_is_left_as_it_is(
    folder: Path, tmp_path: Path, there: str
) -> None:
    write(tmp_path / "new" / there, b"mine")
    with pytest.raises(NotEmpty, match="is not empty"):
        restore(site(tmp_path / "new"), folder / "backups", keys=folder / "keys")
    assert contents(tmp_path / "new") == {there: b"mine"}


def test_empty_folders_such_as_mounted_volumes_do_not_matter(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new" / "reports").mkdir(parents=True)
    restore(site(tmp_path / "new"), folder / "backups", keys=folder / "keys")
    assert (tmp_path / "new" / "reports" / "drift" / "w1" / "report.json").is_file()


def test_without_the_keys_it_is_refused_unless_a_person_says_so(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidParams, match="keys are not in this backup") as error:
        restore(site(tmp_path / "new"), folder / "backups")
    assert "--secrets" in error.value.remedy
    assert not (tmp_path / "new").exists()
    restore(site(tmp_path / "new"), folder / "backups", without_keys=True)
    assert not (tmp_path / "new" / "secrets").exists()


def test_the_key_may_be_elsewhere_but_must_be_the_same(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "safe" / "pseudonym.key"
    write(key, os.urandom(32))
    elsewhere = site(tmp_path / "new", pseudonym_key_file=key)
    with pytest.raises(InvalidParams, match="not the one"):
        restore(elsewhere, folder / "backups")
    assert not (tmp_path / "new").exists()
    key.write_bytes((folder / "var" / "secrets" / "pseudonym.key").read_bytes())
    restore(elsewhere, folder / "backups")
    assert _lines(elsewhere) == ["version 1"]


def test_keys_of_another_installation_are_refused(folder: Path, tmp_path: Path) -> None:
    back_up(make_site(tmp_path / "other"), tmp_path / "b", keys=tmp_path / "keys")
    with pytest.raises(InvalidParams, match="not the one"):
        restore(site(tmp_path / "new"), folder / "backups", keys=tmp_path / "keys")
    with pytest.raises(InvalidParams, match="holds no keys"):
        restore(site(tmp_path / "new"), folder / "backups", keys=tmp_path / "b")


def test_another_kind_of_installation_is_refused(folder: Path, tmp_path: Path) -> None:
    bucket = site(tmp_path / "new", store="s3://bucket/store")
    with pytest.raises(InvalidParams, match="VIGIE_STORE"):
        restore(bucket, folder / "backups", keys=folder / "keys")
    server = site(tmp_path / "new", database_url="postgresql://vigie@localhost:1/vigie")
    with pytest.raises(InvalidParams, match="vigie was on sqlite"):
        restore(server, folder / "backups", keys=folder / "keys")


def test_store_and_home_may_lie_elsewhere_than_before(folder: Path, tmp_path: Path) -> None:
    apart = site(tmp_path / "new", store=str(tmp_path / "disk" / "store"))
    restore(apart, folder / "backups", keys=folder / "keys")
    assert contents(apart.trees["images"]) == {
        name: content
        for name, content in contents(folder / "var" / "store" / "images").items()
        if not name.endswith(".part")
    }
    answers = tmp_path / "disk" / "archive" / "predictions" / "2025-01"
    assert [path.read_bytes() for path in answers.iterdir()] == [b"answers"]


def test_a_restore_that_is_killed_is_refused_by_the_next_and_has_no_ledger(tmp_path: Path) -> None:
    made = make_site(tmp_path / "var")
    for _ in range(1500):
        add_image(made)
    back_up(made, tmp_path / "backups")
    new = site(tmp_path / "new")
    process = subprocess.Popen(
        [sys.executable, "-c", _RESTORE, str(new.home), str(tmp_path / "backups")]
    )
    while len(list(new.trees["images"].rglob("*.tif"))) < 100:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (new.home / "vigie.db").exists()
    with pytest.raises(NotEmpty):
        restore(new, tmp_path / "backups", without_keys=True)
    again = site(tmp_path / "again")
    restore(again, tmp_path / "backups", without_keys=True)
    assert _lines(again) == ["version 1"]
