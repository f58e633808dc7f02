import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.contract.errors import InvalidParams
from ml.packaging.signed_archive import (
    ArchiveBroken,
    fingerprint,
    read_archive,
    signing_key,
    write_archive,
)

FILES = {"README.txt": b"text", "ledger.jsonl": b"{}\n" * 50, "folder/card.md": b"# Card"}


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def archive(tmp_path_factory, key) -> Path:
    path = tmp_path_factory.mktemp("pack") / "pack.zip"
    write_archive(path, FILES, key)
    return path


def test_files_come_back(archive, key):
    assert read_archive(archive) == FILES
    assert read_archive(archive, signer=fingerprint(key.public_key())) == FILES


def test_the_same_content_is_the_same_archive(archive, key, tmp_path):
    write_archive(tmp_path / "again.zip", dict(reversed(FILES.items())), key)
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(min_value=0), change=st.integers(1, 255))
def test_any_single_changed_byte_is_noticed(archive, tmp_path, place, change):
    data = bytearray(archive.read_bytes())
    data[place % len(data)] ^= change
    changed = tmp_path / "changed.zip"
    changed.write_bytes(data)
    with pytest.raises(ArchiveBroken):
        read_archive(changed)


@given(place=st.integers(min_value=0), added=st.binary(min_size=1, max_size=40))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_added_before_between_or_after_is_noticed(archive, tmp_path, place, added):
    data = archive.read_bytes()
    start = place % (len(data) + 1)
    changed = tmp_path / "changed.zip"
    changed.write_bytes(data[:start] + added + data[start:])
    with pytest.raises(ArchiveBroken):
        read_archive(changed)


def test_the_same_files_in_another_zip_are_noticed(archive, tmp_path):
    with pytest.raises(ArchiveBroken, match="beside its signed files"):
        read_archive(rewrite(archive, tmp_path / "other.zip"))


def test_the_same_key_in_another_spelling_is_noticed(archive, tmp_path):
    with zipfile.ZipFile(archive) as source:
        spelled = source.read("public_key.pem") + b"\n"
    with pytest.raises(ArchiveBroken, match="beside its key"):
        read_archive(rewrite(archive, tmp_path / "x.zip", **{"public_key.pem": spelled}))


def rewrite(archive: Path, target: Path, **changes: bytes | None) -> Path:
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as made:
        content = {item.filename: source.read(item) for item in source.infolist()}
        for name, data in {**content, **changes}.items():
            if data is not None:
                made.writestr(name, data)
    return target


@pytest.mark.parametrize(
    "changes",
    [
        {"README.txt": b"other"},
        {"README.txt": None},
        {"added.txt": b"more"},
        {"SHA256SUMS": b""},
        {"SHA256SUMS.sig": None},
        {"public_key.pem": b"none"},
    ],
    ids=str,
)
def test_changed_missing_and_added_files_are_noticed(archive, tmp_path, changes):
    with pytest.raises(ArchiveBroken):
        read_archive(rewrite(archive, tmp_path / "x.zip", **changes))


def test_whoever_signs_anew_is_not_the_one_that_was_named(key, tmp_path):
    forged = tmp_path / "forged.zip"
    write_archive(forged, FILES, Ed25519PrivateKey.generate())
    assert read_archive(forged)
    with pytest.raises(ArchiveBroken, match="was signed by"):
        read_archive(forged, signer=fingerprint(key.public_key()))


def test_names_that_lead_outside_are_refused(key, tmp_path):
    for name in ("../evil", "/etc/evil", "a/../../evil"):
        write_archive(tmp_path / "evil.zip", {name: b"x"}, key)
        with pytest.raises(ArchiveBroken, match="outside"):
            read_archive(tmp_path / "evil.zip")


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "text.zip").write_text("text")
    for path in (tmp_path / "text.zip", tmp_path / "absent.zip"):
        with pytest.raises(ArchiveBroken, match="cannot be read"):
            read_archive(path)


def test_what_would_fill_the_memory_is_not_read(tmp_path):
    with (tmp_path / "large.zip").open("wb") as file:
        file.truncate(2**40)
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("zeros", "w", force_zip64=True) as file,
    ):
        for _ in range(513):
            file.write(bytes(2**20))
    for name in ("large.zip", "bomb.zip"):
        with pytest.raises(ArchiveBroken, match="larger than"):
            read_archive(tmp_path / name)


def test_ordinary_tools_check_it_too(archive, tmp_path):
    with zipfile.ZipFile(archive) as source:
        source.extractall(tmp_path)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public_key.pem", "-rawin"]
    verify += ["-in", "SHA256SUMS", "-sigfile", "SHA256SUMS.sig"]
    subprocess.run(verify, cwd=tmp_path, check=True)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "secrets" / "signing.key"
    first = signing_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert fingerprint(signing_key(path).public_key()) == fingerprint(first.public_key())
    path.write_text("none")
    with pytest.raises(InvalidParams, match=r"signing\.key"):
        signing_key(path)
