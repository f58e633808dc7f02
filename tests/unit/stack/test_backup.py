import json
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ml.contract.errors import InvalidParams, NotFound
from ml.stack.backup import back_up
from ml.stack.backup_folder import BackupFolder
from ml.stack.installation import Installation
from ml.stack.restore import check_backup, restore
from ml.store import ledger
from ml.store.database import open_database
from tests.unit.stack.small_site import (
    add_image,
    answer,
    answers,
    contents,
    make_site,
    site,
    write,
)

_BACK_UP = """
import sys
from pathlib import Path
from ml.settings import Settings
from ml.stack.backup import back_up
from ml.stack.installation import Installation
back_up(Installation.of(Settings(home=Path(sys.argv[1]))), Path(sys.argv[2]))
"""


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    return make_site(tmp_path / "var")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_a_second_backup_copies_what_is_new_alone(made: Installation, target: Path) -> None:
    first = back_up(made, target)
    assert first.new_files == len(BackupFolder(target).read().contents)
    again = back_up(made, target)
    assert (again.new_files, again.new_bytes, again.files) == (0, 0, first.files)
    add_image(made)
    later = back_up(made, target)
    assert (later.new_files, later.files) == (1, first.files + 1)


def test_a_file_that_was_replaced_is_copied_though_its_name_is_known(
    made: Installation, target: Path
) -> None:
    back_up(made, target)
    write(made.home / "runs" / "weekly" / "gate.json", b'{"promote": none}')
    assert back_up(made, target).new_files == 1
    kept = BackupFolder(target).read().files["home"]["runs/weekly/gate.json"]
    assert BackupFolder(target).path(kept.sha256).read_bytes() == b'{"promote": none}'


def test_a_content_that_was_deleted_is_copied_again(made: Installation, target: Path) -> None:
    back_up(made, target)
    kept = BackupFolder(target).read().files["home"]["runs/weekly/gate.json"]
    BackupFolder(target).path(kept.sha256).unlink()
    back_up(made, target)
    check_backup(target)


def test_caches_half_written_files_and_deliveries_are_left_out(
    made: Installation, target: Path
) -> None:
    told = back_up(made, target).left_out
    kept = BackupFolder(target).read().files
    names = [name for tree in kept.values() for name in tree]
    assert not [name for name in names if "cache" in name or "part" in name or "Doe" in name]
    assert kept["inbox"].keys() == {"a.png"}
    assert any("landing" in what for what in told)
    everything = b"".join(contents(target).values())
    assert b"of a patient" not in everything
    assert b"Doe_Jane" not in everything


def test_keys_are_left_out_or_kept_in_a_folder_of_their_own(
    made: Installation, target: Path, tmp_path: Path
) -> None:
    key = (made.home / "secrets" / "pseudonym.key").read_bytes()
    back_up(made, target, keys=tmp_path / "keys")
    assert not [name for name, content in contents(target).items() if key in content]
    assert b"fernet_key" not in b"".join(contents(target).values())
    assert key in contents(tmp_path / "keys").values()
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("images", "keys"),
    [("var/backups", None), ("backups", "backups"), ("backups", "backups/keys"), ("b", "var/k")],
)
def test_folders_must_be_apart(
    made: Installation, tmp_path: Path, images: str, keys: str | None
) -> None:
    before = contents(tmp_path)
    with pytest.raises(InvalidParams):
        back_up(made, tmp_path / images, keys=keys and tmp_path / keys)
    assert contents(tmp_path) == before


def test_a_home_that_holds_nothing_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no installation") as error:
        back_up(site(tmp_path / "elsewhere"), tmp_path / "backups")
    assert "VIGIE_HOME" in error.value.remedy
    assert not list(tmp_path.iterdir())


def test_a_store_in_a_bucket_is_left_to_the_bucket(tmp_path: Path) -> None:
    made = make_site(tmp_path / "var")
    remote = site(tmp_path / "var", store="s3://bucket/vigie/store")
    told = back_up(remote, tmp_path / "backups")
    assert "s3://bucket/vigie" in told.left_out[0]
    assert "versioning and replication" in told.left_out[0]
    assert "images" not in BackupFolder(tmp_path / "backups").read().files
    assert made.trees["images"].is_dir()


def test_the_log_of_answers_comes_with_what_is_not_yet_in_its_file(
    made: Installation, target: Path, tmp_path: Path
) -> None:
    outbox = made.home / "serving" / "outbox.sqlite"
    holder = sqlite3.connect(outbox)  # keeps the write-ahead log from being folded in
    holder.execute("SELECT * FROM outbox").fetchall()
    answer(outbox, "answered just now")
    back_up(made, target)
    holder.close()
    restore(site(tmp_path / "new"), target, without_keys=True)
    restored = tmp_path / "new" / "serving" / "outbox.sqlite"
    assert answers(restored) == ["answered before", "answered just now"]


def test_whatever_is_written_meanwhile_no_row_names_a_missing_file(
    made: Installation, target: Path, tmp_path: Path
) -> None:
    done = threading.Event()
    for _ in range(300):  # so that copying takes a while
        add_image(made)
    database = open_database(made.databases["vigie"])

    def work() -> None:
        while not done.is_set():
            name = add_image(made)  # the file first, as every stage does
            ledger.append(
                database, actor="ops", action="gate", subject=name, reason="", evidence={}
            )

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for _ in range(4):
            back_up(made, target)
    finally:
        done.set()
        writer.join()
        database.dispose()
    for number, name in enumerate(BackupFolder(target).names()):
        new = site(tmp_path / f"new-{number}")
        restore(new, target, at=name, without_keys=True)
        database = open_database(new.databases["vigie"])
        images = {path.stem for path in new.trees["images"].rglob("*.tif")}
        named = {line.subject for line in ledger.read(database)} - {"version 1"}
        database.dispose()
        assert named <= images
    assert named


def test_a_backup_that_is_killed_leaves_the_earlier_one_and_is_made_up_for(
    tmp_path: Path, target: Path
) -> None:
    made = make_site(tmp_path / "var")
    back_up(made, target)
    for _ in range(1500):
        add_image(made)
    before = BackupFolder(target).names()
    grown = len(list((target / "contents").rglob("*"))) + 200
    process = subprocess.Popen([sys.executable, "-c", _BACK_UP, str(made.home), str(target)])
    while len(list((target / "contents").rglob("*"))) < grown:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert BackupFolder(target).names() == before
    check_backup(target)
    told = back_up(made, target)
    assert len(BackupFolder(target).read().files["images"]) == 1503
    assert told.new_files == 1500  # what the killed one left is not relied on
    check_backup(target)
    assert not list(target.rglob("*.part"))


def test_the_manifest_names_what_made_it(made: Installation, target: Path) -> None:
    name = back_up(made, target).name
    manifest = json.loads((target / "backups" / name).read_text())
    assert manifest["databases"]["vigie"]["revision"] == "0005"
    assert manifest["releases"]["mlflow"]
