from collections.abc import Callable
from pathlib import Path

import pytest

from ml.contract.errors import DiskFull, InvalidParams
from ml.stack.backup import back_up
from ml.stack.backup_folder import BackupFolder
from ml.stack.errors import BackupDamaged
from ml.stack.installation import Installation
from ml.stack.restore import check_backup
from tests.fakes.full_disk import no_room_beyond
from tests.unit.stack.small_site import add_image, contents, make_site, write

MEGABYTE = 2**20


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    return make_site(tmp_path / "var")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def daily(made: Installation, target: Path) -> Callable[[int], list[str]]:
    """Backs up so many times, each time with another gate.json; their names, oldest first."""

    def back_up_often(times: int) -> list[str]:
        names = []
        for number in range(times):
            write(made.home / "runs" / "weekly" / "gate.json", f"run {number}".encode())
            names.append(back_up(made, target).name)
        return names

    return back_up_often


def gate_of(target: Path, name: str) -> Path:
    """The content that the gate.json of a backup is kept as."""
    folder = BackupFolder(target)
    return folder.path(folder.read(name).files["home"]["runs/weekly/gate.json"].sha256)


def test_the_newest_stay_whole_and_what_only_older_ones_needed_goes(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    names = daily(4)
    gates = [gate_of(target, name) for name in names]
    told = back_up(made, target, keep=3)
    left = BackupFolder(target).names()
    assert left == [*names[2:], told.name]
    assert sorted(told.removed) == names[:2]
    assert [gate.exists() for gate in gates] == [False, False, True, True]
    for name in left:
        check_backup(target, name)
    assert {path.name for path in (target / "contents").glob("*/*")} == {
        sha256 for name in left for sha256 in BackupFolder(target).read(name).contents
    }


def test_fewer_than_are_to_stay_all_stay(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    names = daily(2)
    told = back_up(made, target, keep=3)
    assert told.removed == []
    assert BackupFolder(target).names() == [*names, told.name]


def test_what_is_no_backup_stays(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    daily(2)
    foreign = ["notes.json", "backups/notes.json", "backups/2026.txt", "contents/ab/notes"]
    for place in foreign:
        write(target / place, b"somebody's")
    back_up(made, target, keep=1)
    assert [(target / place).read_bytes() for place in foreign] == [b"somebody's"] * len(foreign)
    assert len(BackupFolder(target).names()) == 1
    check_backup(target)


def test_keys_are_kept_as_often_as_images(made: Installation, target: Path, tmp_path: Path) -> None:
    for _ in range(3):
        back_up(made, target, keys=tmp_path / "keys", keep=2)
    for folder in (target, tmp_path / "keys"):
        assert len(BackupFolder(folder).names()) == 2
        check_backup(folder)


def test_a_backup_that_finds_no_room_removes_none(
    made: Installation, target: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        back_up(made, target, keys=tmp_path / "keys")
    before = contents(target)
    write(made.home / "runs" / "weekly" / "large", b"1" * 5 * MEGABYTE)
    with no_room_beyond(4 * MEGABYTE), pytest.raises(DiskFull):
        back_up(made, target, keys=tmp_path / "keys", keep=1)
    assert before.items() <= contents(target).items()
    assert len(BackupFolder(tmp_path / "keys").names()) == 3


def test_a_new_backup_that_is_not_whole_removes_none(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    names = daily(2)
    # It is not copied again: its file did not change, and what is kept of it has the same size.
    gate_of(target, names[-1]).write_bytes(b"ran 1")
    with pytest.raises(BackupDamaged, match="missing or altered"):
        back_up(made, target, keep=1)
    assert BackupFolder(target).names()[:2] == names
    check_backup(target, names[0])


def test_one_that_lacks_a_content_does_not_count(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    names = daily(3)
    gate_of(target, names[1]).unlink()
    write(made.home / "runs" / "weekly" / "gate.json", b"the newest")
    told = back_up(made, target, keep=3)
    assert told.removed == []
    add_image(made)
    assert back_up(made, target, keep=3).removed == [names[1], names[0]]


def test_where_a_manifest_was_altered_none_is_removed(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    names = daily(3)
    with (target / "backups" / names[0]).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BackupDamaged, match="was altered"):
        back_up(made, target, keep=1)
    assert BackupFolder(target).names()[:3] == names


def test_the_one_just_made_stays_though_the_clock_went_back(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    (name,) = daily(1)
    manifest = target / "backups" / name
    manifest.rename(manifest.with_name(f"2999{name.removeprefix(name[:4])}"))
    told = back_up(made, target, keep=1)
    assert BackupFolder(target).names() == [told.name]
    check_backup(target)


def test_what_an_interrupted_removal_left_goes_with_the_next(
    made: Installation, target: Path, daily: Callable[[int], list[str]]
) -> None:
    names = daily(3)
    left = gate_of(target, names[0])
    (target / "backups" / names[0]).unlink()
    back_up(made, target, keep=2)
    assert not left.exists()


def test_none_is_no_number_to_keep(made: Installation, target: Path) -> None:
    with pytest.raises(InvalidParams, match="No backup would be kept"):
        back_up(made, target, keep=0)
    assert not target.exists()
