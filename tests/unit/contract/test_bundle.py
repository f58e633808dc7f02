import json
import shutil
from pathlib import Path

import pytest

from ml.contract.bundle import (
    BUNDLE_FILE,
    CONTENT_FILES,
    MODEL_FILE,
    bundle_sha256,
    open_bundle,
    seal_bundle,
    sha256_file,
)
from ml.contract.errors import BundleInvalid
from tests.fakes.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def copy(sealed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sealed, tmp_path / "copy")


def _edit(folder: Path, **changes: object) -> None:
    path = folder / BUNDLE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_sealed_bundle_opens_and_names_every_file_with_its_digest(sealed: Path) -> None:
    bundle = open_bundle(sealed, expected_sha256=bundle_sha256(sealed))
    assert bundle.files == {name: sha256_file(sealed / name) for name in CONTENT_FILES}


def test_sealing_the_same_content_again_gives_the_same_identity(copy: Path) -> None:
    assert seal_bundle(copy, open_bundle(copy)) == bundle_sha256(copy)


def test_sealing_leaves_no_partial_file(copy: Path) -> None:
    seal_bundle(copy, open_bundle(copy))
    assert {path.name for path in copy.iterdir()} == {BUNDLE_FILE, *CONTENT_FILES}


@pytest.mark.parametrize("name", CONTENT_FILES)
def test_a_changed_byte_in_any_file_is_found(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleInvalid, match=name):
        open_bundle(copy)


@pytest.mark.parametrize("name", CONTENT_FILES)
def test_a_missing_file_is_found_when_opening_and_when_sealing(copy: Path, name: str) -> None:
    bundle = open_bundle(copy)
    (copy / name).unlink()
    with pytest.raises(BundleInvalid, match=name):
        open_bundle(copy)
    with pytest.raises(BundleInvalid, match=name):
        seal_bundle(copy, bundle)


def test_a_folder_without_bundle_json_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match=BUNDLE_FILE):
        open_bundle(tmp_path)


def test_another_bundle_than_the_expected_one_is_refused(copy: Path) -> None:
    expected = bundle_sha256(copy)
    _edit(copy, dataset_id="another")
    with pytest.raises(BundleInvalid, match=expected[:12]):
        open_bundle(copy, expected_sha256=expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"a_field_of_a_newer_schema": 1},
        {"temperature": 0},
        {"labels": ["only one"]},
        {"input": {"height": 32, "width": 32, "channels": 2}},
        {"policy": None},
    ],
)
def test_a_bundle_json_that_is_not_of_the_schema_is_refused(
    copy: Path, changes: dict[str, object]
) -> None:
    _edit(copy, **changes)
    with pytest.raises(BundleInvalid, match="schema 1"):
        open_bundle(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_bundle_json_that_is_no_json_object_is_refused(copy: Path, text: str) -> None:
    (copy / BUNDLE_FILE).write_text(text)
    with pytest.raises(BundleInvalid):
        open_bundle(copy)


@pytest.mark.parametrize("files", [{}, {MODEL_FILE: "0" * 64}, {"../../etc/passwd": "0" * 64}])
def test_only_the_four_known_files_are_listed(copy: Path, files: dict[str, str]) -> None:
    _edit(copy, files=files)
    with pytest.raises(BundleInvalid, match="incomplete"):
        open_bundle(copy)


def test_every_refusal_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid) as raised:
        open_bundle(tmp_path)
    assert raised.value.remedy
