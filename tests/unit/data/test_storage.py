import errno
import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from upath import UPath

from ml.contract.errors import DiskFull, InvalidParams, Unavailable
from ml.data.listing import listing_of
from ml.data.storage import Place, found, place, reaching, replacing, sweep, write_bytes
from tests.fakes.s3_process import S3Process


def test_addresses_are_folders_or_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place("landing") == tmp_path / "landing"
    assert type(place(tmp_path)) is type(Path())
    bucket = place("s3://bucket/some/prefix/")
    assert isinstance(bucket, UPath)
    assert (str(bucket), str(place(bucket))) == ("s3://bucket/some/prefix",) * 2


@pytest.mark.parametrize("address", ["gs://bucket/x", "http://host/x", "file:///x"])
def test_other_schemes_are_refused_with_a_remedy(address: str) -> None:
    with pytest.raises(InvalidParams, match="not a place") as refused:
        place(address)
    assert "s3://" in refused.value.remedy


def test_no_level_of_logging_tells_the_names_of_files(
    anywhere: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        write_bytes(anywhere / "Doe^Jane.png", b"content")
        assert (anywhere / "Doe^Jane.png").read_bytes() == b"content"
        assert listing_of(anywhere).look_up("Doe^Jane.png").size == 7
    assert "Doe" not in caplog.text


def test_a_file_appears_whole_with_its_new_content(anywhere: Place) -> None:
    target = anywhere / "deep" / "file"
    write_bytes(target, b"first")
    with replacing(target) as file:
        file.write(b"second")
        file.flush()
        assert target.read_bytes() == b"first"
    assert target.read_bytes() == b"second"
    assert [path.name for path in (anywhere / "deep").iterdir()] == ["file"]


@pytest.mark.parametrize("size", [3, 12 << 20])
def test_a_file_that_fails_leaves_what_was_there(anywhere: Place, size: int) -> None:
    target = anywhere / "file"
    write_bytes(target, b"first")

    def fail() -> None:
        with replacing(target) as file:
            file.write(bytes(size))
            raise ValueError("midway")

    with pytest.raises(ValueError, match="midway"):
        fail()
    assert target.read_bytes() == b"first"
    assert [path.name for path in anywhere.iterdir()] == ["file"]


def test_a_large_file_is_sent_in_parts_and_appears_whole(anywhere: Place) -> None:
    content = os.urandom(1 << 20) * 60
    write_bytes(anywhere / "large", content)
    assert (anywhere / "large").read_bytes() == content


def test_permissions_are_as_asked_for(tmp_path: Path) -> None:
    write_bytes(tmp_path / "shared", b"x")
    write_bytes(tmp_path / "private", b"x", mode=0o600)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("shared", "private")]
    assert modes == [0o644, 0o600]


def test_visible_files_are_found_in_order(anywhere: Place) -> None:
    for name in ("b/x.json", "a/x.json", ".c/x.json", "a/y.json"):
        write_bytes(anywhere / name, b"")
    assert [path.parent.name for path in found(anywhere, "*/x.json")] == ["a", "b"]
    assert found(anywhere / "nowhere", "*.json") == []


_HALF_WRITTEN = """
import sys, time
from pathlib import Path
from ml.data.storage import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    time.sleep(60)
"""


def test_a_sweep_takes_what_the_dead_left_and_spares_the_living(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HALF_WRITTEN, str(tmp_path / "file")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    process.stdout.readline()
    sweep(tmp_path)
    assert len(list(tmp_path.glob(".file.*.part"))) == 1
    process.kill()
    process.wait()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_writing_again_removes_what_an_interrupted_attempt_left(tmp_path: Path) -> None:
    for name in (".file[1].x.part", ".file[2].x.part"):
        (tmp_path / name).write_bytes(b"half")
    write_bytes(tmp_path / "file[1]", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".file[2].x.part", "file[1]"]


def test_a_sweep_that_comes_between_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, sweeps = fcntl.flock, [1]

    def swept_first(descriptor: int, operation: int) -> None:
        if sweeps and sweeps.pop():
            for path in tmp_path.glob(".*.part"):
                path.unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", swept_first)
    write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_full_disk_is_said_to_be_one(tmp_path: Path) -> None:
    def fill() -> None:
        with replacing(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull, match="no room") as raised:
        fill()
    assert raised.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.xdist_group("s3")
def test_a_bucket_that_is_away_is_unavailable(
    s3: S3Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    away = UPath("s3://vigie/Nightingale", use_listings_cache=False, default_block_size=1 << 20)
    with pytest.raises(Unavailable, match="does not answer") as raised, reaching():
        (away / "x").read_bytes()
    assert "Nightingale" not in str(raised.value)


@pytest.mark.xdist_group("s3")
def test_a_bucket_that_does_not_exist_is_named_as_such(s3: S3Process) -> None:
    with pytest.raises(Unavailable, match="no such S3 bucket"), reaching():
        write_bytes(place("s3://no-such-bucket/x"), b"")


def test_errors_of_folders_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), reaching():
        (tmp_path / "none").read_bytes()
