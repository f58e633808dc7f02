import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml.contract.bundle import MODEL_FILE, bundle_sha256
from ml.contract.errors import BundleInvalid, Unavailable
from ml.contract.records import ModelIdentity
from serving.bundle_cache import BundleCache
from serving.sources import Candidate
from tests.fakes.tiny_bundle import write_tiny_bundle


def copying(bundle: Path, calls: list[Path]):
    def download(folder: Path) -> Path:
        calls.append(folder)
        return Path(shutil.copytree(bundle, folder / "bundle"))

    return download


def candidate(sha256: str) -> Candidate:
    identity = ModelIdentity(name="vigie", version="7", bundle=sha256)
    return Candidate(identity=identity, alias="production", location="run")


def test_a_bundle_is_downloaded_once(tmp_path, tiny_bundle):
    cache, calls, sha256 = BundleCache(tmp_path), [], bundle_sha256(tiny_bundle)
    folders = {cache.fetch(sha256, copying(tiny_bundle, calls)) for _ in range(2)}
    assert folders == {tmp_path / "bundles" / sha256}
    assert len(calls) == 1
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [sha256]


def test_a_copy_damaged_on_disk_is_fetched_again(tmp_path, tiny_bundle):
    cache, calls, sha256 = BundleCache(tmp_path), [], bundle_sha256(tiny_bundle)
    folder = cache.fetch(sha256, copying(tiny_bundle, calls))
    (folder / MODEL_FILE).write_bytes(b"")
    cache.fetch(sha256, copying(tiny_bundle, calls))
    assert len(calls) == 2
    assert (folder / MODEL_FILE).stat().st_size > 0


def test_another_bundle_than_the_registry_names_is_not_kept(tmp_path, tiny_bundle):
    with pytest.raises(BundleInvalid):
        BundleCache(tmp_path).fetch("f" * 64, copying(tiny_bundle, []))
    assert list((tmp_path / "bundles").iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(tmp_path):
    def breaks(folder: Path) -> Path:
        (folder / "model.onnx").write_bytes(b"half")
        raise Unavailable("The line is dead.")

    with pytest.raises(Unavailable):
        BundleCache(tmp_path).fetch("f" * 64, breaks)
    assert list((tmp_path / "bundles").iterdir()) == []


def test_the_last_good_one_is_remembered_while_its_bundle_is_there(tmp_path, tiny_bundle):
    cache, sha256 = BundleCache(tmp_path), bundle_sha256(tiny_bundle)
    assert cache.last_good() is None
    cache.fetch(sha256, copying(tiny_bundle, []))
    cache.remember(candidate(sha256))
    assert BundleCache(tmp_path).last_good() == candidate(sha256)
    shutil.rmtree(tmp_path / "bundles" / sha256)
    assert cache.last_good() is None


def test_an_unreadable_note_is_ignored(tmp_path):
    (tmp_path / "last_good.json").write_text("{")
    assert BundleCache(tmp_path).last_good() is None


def test_old_bundles_are_forgotten(tmp_path):
    cache = BundleCache(tmp_path / "cache")
    kept = []
    for number in range(5):
        bundle = write_tiny_bundle(tmp_path / str(number), run_key=str(number), reference_images=1)
        sha256 = bundle_sha256(bundle)
        cache.fetch(sha256, copying(bundle, []))
        cache.remember(candidate(sha256))
        kept.append(sha256)
    assert {path.name for path in (tmp_path / "cache" / "bundles").iterdir()} == set(kept[-3:])


def test_replicas_that_fetch_at_once_spoil_no_download(tmp_path, tiny_bundle):
    sha256 = bundle_sha256(tiny_bundle)

    def slow(folder: Path) -> Path:
        bundle = folder / "bundle"
        bundle.mkdir()
        for file in sorted(tiny_bundle.iterdir()):
            time.sleep(0.05)
            shutil.copy(file, bundle)
        return bundle

    def replica(number: int) -> Path:
        time.sleep(0.03 * number)
        cache = BundleCache(tmp_path)
        folder = cache.fetch(sha256, slow)
        cache.remember(candidate(sha256))
        return folder

    with ThreadPoolExecutor(8) as replicas:
        folders = set(replicas.map(replica, range(8)))
    assert folders == {tmp_path / "bundles" / sha256}
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [sha256]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundles", "last_good.json"]
    assert BundleCache(tmp_path).last_good() == candidate(sha256)


def test_replicas_that_find_the_same_damage_repair_it_together(tmp_path, tiny_bundle):
    sha256 = bundle_sha256(tiny_bundle)
    folder = BundleCache(tmp_path).fetch(sha256, copying(tiny_bundle, []))
    (folder / MODEL_FILE).write_bytes(b"")

    def slow(folder: Path) -> Path:
        time.sleep(0.5)
        return Path(shutil.copytree(tiny_bundle, folder / "bundle"))

    def replica(_: int) -> Path:
        return BundleCache(tmp_path).fetch(sha256, slow)

    with ThreadPoolExecutor(8) as replicas:
        assert set(replicas.map(replica, range(8))) == {folder}
    assert bundle_sha256(folder) == sha256


def test_a_killed_download_is_forgotten_and_one_under_way_is_not(tmp_path, tiny_bundle):
    cache, sha256 = BundleCache(tmp_path), bundle_sha256(tiny_bundle)
    cache.fetch(sha256, copying(tiny_bundle, []))
    killed, under_way = (tmp_path / "bundles" / f"{'f' * 64}.{name}.part" for name in "ab")
    for folder in (killed, under_way):
        (folder / "bundle").mkdir(parents=True)
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(killed, (two_days_ago, two_days_ago))
    cache.remember(candidate(sha256))
    assert {path.name for path in (tmp_path / "bundles").iterdir()} == {sha256, under_way.name}


def test_counting_a_bundle_that_another_replica_forgot_leaves_no_file_in_its_place(
    tmp_path, tiny_bundle
):
    cache, sha256 = BundleCache(tmp_path), bundle_sha256(tiny_bundle)
    folder = cache.fetch(sha256, copying(tiny_bundle, []))
    shutil.rmtree(folder)
    cache.keep(candidate(sha256))
    assert cache.fetch(sha256, copying(tiny_bundle, [])).is_dir()
