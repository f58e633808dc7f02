import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from ml.contract.bundle import MODEL_FILE, bundle_sha256
from ml.contract.errors import BundleInvalid, NotFound
from ml.registry.models import (
    CHALLENGER,
    describe_version,
    fetch_bundle,
    point_alias,
    version_by_alias,
    version_by_number,
)
from ml.registry.results import RegisteredVersion
from ml.registry.tracking import Tracker

Register = Callable[[str], RegisteredVersion]


def test_registering_the_same_bundle_twice_makes_one_version(register: Register) -> None:
    assert register("weekly-1") == register("weekly-1")
    assert register("weekly-2").version == "2"


def test_a_version_names_the_bundle_and_its_lineage(register: Register, tmp_path: Path) -> None:
    version = register("weekly-1")
    assert version.bundle_sha256 == bundle_sha256(tmp_path / "weekly-1")
    assert (version.run_key, version.dataset_id) == ("weekly-1", "d" * 64)


def test_an_alias_that_names_nothing_gives_none(tracker: Tracker, register: Register) -> None:
    assert version_by_alias(tracker, CHALLENGER) is None
    version = register("weekly-1")
    assert version_by_alias(tracker, CHALLENGER) is None
    point_alias(tracker, CHALLENGER, version.version)
    assert version_by_alias(tracker, CHALLENGER) == version


def test_a_number_that_was_never_registered_is_not_found(
    tracker: Tracker, register: Register
) -> None:
    register("weekly-1")
    with pytest.raises(NotFound, match="no version 7"):
        version_by_number(tracker, "7")


def test_a_description_stands_at_the_version_and_is_never_too_long(
    tracker: Tracker, register: Register
) -> None:
    version = register("weekly-1")
    describe_version(tracker, version.version, "**refused** " + "because " * 5000)
    described = tracker.client.get_model_version("vigie", version.version).description
    assert described.startswith("**refused** because")
    assert len(described) == 5000


def test_a_fetched_bundle_is_what_was_registered(
    tracker: Tracker, register: Register, tmp_path: Path
) -> None:
    version = register("weekly-1")
    folder = fetch_bundle(tracker, version, tmp_path / "cache")
    assert bundle_sha256(folder) == version.bundle_sha256
    assert fetch_bundle(tracker, version, tmp_path / "cache") == folder


def test_an_artifact_that_was_replaced_is_refused(
    tracker: Tracker, register: Register, tmp_path: Path
) -> None:
    version = register("weekly-1")
    stored = next((tmp_path / "artifacts").rglob(MODEL_FILE))
    stored.write_bytes(stored.read_bytes() + b"x")
    with pytest.raises(BundleInvalid, match="differs from what was sealed"):
        fetch_bundle(tracker, version, tmp_path / "cache")
    assert not (tmp_path / "cache" / version.bundle_sha256).exists()


class SlowArtifacts:
    """MLflow's client whose downloads take a while between the first file and the last."""

    def __init__(self, client: object) -> None:
        self._client = client

    def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
        (Path(folder) / "first").touch()
        time.sleep(0.3)
        local: str = self._client.download_artifacts(run_id, path, folder)
        assert (Path(folder) / "first").exists()
        return local


def test_tasks_that_fetch_a_version_at_once_spoil_no_download(
    tracker: Tracker, register: Register, tmp_path: Path
) -> None:
    version = register("weekly-1")
    slow = SimpleNamespace(client=SlowArtifacts(tracker.client))

    def task(number: int) -> Path:
        time.sleep(0.1 * number)
        return fetch_bundle(slow, version, tmp_path / "cache")

    with ThreadPoolExecutor(4) as tasks:
        assert len(set(tasks.map(task, range(4)))) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [version.bundle_sha256]


def test_a_download_whose_task_was_killed_is_forgotten_after_a_day(
    tracker: Tracker, register: Register, tmp_path: Path
) -> None:
    version, cache = register("weekly-1"), tmp_path / "cache"
    killed, going_on = (cache / f".{name}.part" for name in ("killed", "going-on"))
    for path in (killed, going_on):
        path.mkdir(parents=True)
    yesterday = time.time() - 25 * 3600
    os.utime(killed, (yesterday, yesterday))
    fetch_bundle(tracker, version, cache)
    assert {path.name for path in cache.iterdir()} == {version.bundle_sha256, going_on.name}


def test_a_refused_download_leaves_nothing(
    tracker: Tracker, register: Register, tmp_path: Path
) -> None:
    version = register("weekly-1")
    stored = next((tmp_path / "artifacts").rglob(MODEL_FILE))
    stored.write_bytes(stored.read_bytes() + b"x")
    with pytest.raises(BundleInvalid):
        fetch_bundle(tracker, version, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
