"""Stages 1 to 3 of real installations: killed ones, and ones whose store lies in a bucket."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.errors import NotFound, NothingToIngest, Unavailable
from ml.data.dataset import load_dataset
from ml.data.image_store import ImageStore
from ml.data.manifest import read_manifest
from ml.data.phantoms import CohortSpec, Faults, write_cohort
from ml.data.storage import Place, place, write_bytes
from ml.journey import ingest
from ml.journey.dataset import freeze
from ml.journey.images import grids
from ml.journey.newest import newest_batch, newest_dataset
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import Params, load_params
from ml.settings import PROJECT_ROOT
from tests.fakes.s3_process import S3Process
from tests.unit.journey.killed_ingest import kill_and_repeat, prepare, same_key

SMALL = (
    "data.min_images_per_class=4",
    "data.min_groups_per_class=3",
    "data.burned_in=accept",
    "data.shards=3",
)


@pytest.fixture
def params() -> Params:
    return load_params(PROJECT_ROOT / "params.toml", profile="demo", overrides=SMALL)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Process]:
    with S3Process() as server:
        yield server


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("delivery") / "cohort"
    mix = {"normal": 0.4, "benign": 0.3, "malignant": 0.3}
    write_cohort(CohortSpec(images=60, class_mix=mix, faults=Faults.of_each(1)), folder)
    return folder


def take_in(workspace: Workspace, params: Params, source: Place | None = None) -> str:
    batch = ingest.plan(workspace, params, source)
    for index in range(batch.shards):
        ingest.ingest_shard(workspace, params, batch.batch_id, index)
    ingest.merge(workspace, batch.batch_id)
    validate(workspace, params, batch.batch_id)
    return freeze(workspace, params).dataset_id


def uploaded(folder: Path, to: Place) -> Place:
    for path in folder.rglob("*"):
        if path.is_file():
            write_bytes(to / path.relative_to(folder).as_posix(), path.read_bytes())
    return to


def test_an_ingest_that_is_killed_at_random_ends_as_one_that_was_not(tmp_path: Path) -> None:
    source, whole, attempts = prepare(tmp_path, 120)
    killed = same_key(whole, tmp_path / "killed")
    hits = kill_and_repeat(killed, source, attempts, kills=2, seed=5)
    assert hits["ingest"]
    assert killed.contents() == whole.contents()
    assert killed.leftovers() == []


def test_a_store_in_a_bucket_gives_the_same_dataset_as_one_in_a_folder(
    workspace: Workspace, params: Params, cohort: Path, s3: S3Process, tmp_path: Path
) -> None:
    bucket = s3.new_place()
    remote = replace(
        Workspace.at(tmp_path / "remote", expectations=workspace.expectations),
        landing=uploaded(cohort, bucket / "landing"),
        store=bucket / "store",
    )
    assert take_in(remote, params) == take_in(workspace, params, cohort)
    assert newest_dataset(remote) == newest_dataset(workspace)
    columns = ["image_id", "label", "patient", "site", "phash", "descriptor", "mean"]
    for mine, theirs in zip(
        read_manifest(remote.manifest, columns=columns).to_dict("records"),
        read_manifest(workspace.manifest, columns=columns).to_dict("records"),
        strict=True,
    ):
        if theirs["patient"] is None:
            assert mine["patient"] is None
        else:  # each installation has a key of its own
            assert mine["patient"] not in (None, theirs["patient"])
        assert {**mine, "patient": ""} == {**theirs, "patient": ""}
    assert not (remote.home / "store").exists()
    assert not (remote.home / "datasets").exists()
    with pytest.raises(NothingToIngest):
        ingest.plan(remote, params)
    frame = load_dataset(remote.datasets, newest_dataset(remote)).head(8)
    spec = InputSpec(height=32, width=32, channels=1)
    np.testing.assert_array_equal(grids(remote, spec, frame), grids(workspace, spec, frame))
    image_id = str(frame["image_id"].iloc[0])
    assert ImageStore(remote.images).png(image_id) == ImageStore(workspace.images).png(image_id)


def test_shards_side_by_side_give_the_same_as_one_after_another(
    workspace: Workspace, params: Params, cohort: Path, tmp_path: Path
) -> None:
    other = Workspace.at(tmp_path / "other", expectations=workspace.expectations)
    steps: list[int] = []
    found = []
    for place_, workers in ((workspace, 1), (other, 3)):
        batch = ingest.plan(place_, params, cohort)
        for _ in range(2):  # a shard that is there counts as a step, too
            ingest.ingest_shards(place_, params, batch, workers=workers, on_progress=steps.append)
        assert sum(steps) == 2 * batch.images
        steps.clear()
        found.append(ingest.merge(place_, batch.batch_id).model_dump(exclude={"batch_id"}))
        found.append(sorted(path.name for path in place_.images.glob("*/*")))
    assert found[:2] == found[2:]


def test_a_shard_that_fails_stops_the_others(
    workspace: Workspace, params: Params, cohort: Path
) -> None:
    batch = ingest.plan(workspace, params, cohort)
    (workspace.batch(batch.batch_id) / "plan" / "shard-00001").unlink()
    with pytest.raises(NotFound, match="no shard 1"):
        ingest.ingest_shards(workspace, params, batch, workers=2, on_progress=lambda files: None)
    with pytest.raises(NotFound, match="lacks"):
        ingest.merge(workspace, batch.batch_id)


def test_a_batch_is_the_newest_wherever_it_lies(
    workspace: Workspace, params: Params, cohort: Path, s3: S3Process
) -> None:
    remote = replace(workspace, store=s3.new_place() / "store")
    with pytest.raises(NotFound, match="no batch yet"):
        newest_batch(remote)
    batch = ingest.plan(remote, params, cohort)
    assert newest_batch(remote) == batch.batch_id


def test_a_bucket_that_does_not_exist_is_told_before_anything_is_read(
    workspace: Workspace, params: Params, cohort: Path, s3: S3Process
) -> None:
    remote = replace(workspace, store=place("s3://no-such-bucket/store"))
    with pytest.raises(Unavailable, match="no such S3 bucket"):
        ingest.plan(remote, params, cohort)


def test_a_landing_zone_that_does_not_exist_is_named(workspace: Workspace, params: Params) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        ingest.plan(workspace, params)
