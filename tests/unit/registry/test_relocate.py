from collections.abc import Callable
from pathlib import Path

from ml.registry.models import fetch_bundle
from ml.registry.relocate import move_artifacts
from ml.registry.results import RegisteredVersion
from ml.registry.tracking import Tracker


def test_a_version_is_fetched_from_where_its_artifacts_moved(
    tracker: Tracker, register: Callable[[str], RegisteredVersion], tmp_path: Path
) -> None:
    version = register("weekly-1")
    (tmp_path / "artifacts").rename(tmp_path / "moved")
    move_artifacts(tracker.tracking_uri, tracker.artifact_root, (tmp_path / "moved").as_uri())
    moved = Tracker(tracker.tracking_uri, (tmp_path / "moved").as_uri())
    assert fetch_bundle(moved, version, tmp_path / "cache").is_dir()
    found = moved.client.get_model_version(version.name, version.version)
    assert found.source.startswith((tmp_path / "moved").as_uri() + "/")


def test_addresses_that_only_begin_alike_stay(
    tracker: Tracker, register: Callable[[str], RegisteredVersion], tmp_path: Path
) -> None:
    version = register("weekly-1")
    move_artifacts(tracker.tracking_uri, (tmp_path / "art").as_uri(), "file:///elsewhere")
    assert fetch_bundle(tracker, version, tmp_path / "cache").is_dir()
