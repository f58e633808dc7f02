from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.contract.errors import NotFound
from ml.data.plan import number_of_shards, plan_batch, read_plan, read_shard
from ml.data.results import BatchPlan, IncomingImage
from ml.data.sealed import Seal, SealBroken
from ml.data.storage import Place

SEAL = Seal(b"a key that only this test holds")


def _files(count: int) -> Iterator[IncomingImage]:
    for number in range(count):
        yield IncomingImage(
            path=f"normal/Doe^Jane-{number}.png",
            label="normal",
            patient=f"P-{number}",
            fingerprint=f"{number:064x}",
        )


def _plan(
    batches: Place, scratch: Path, count: int = 6, shards: int = 2, shard_images: int = 2000
) -> BatchPlan:
    return plan_batch(
        _files(count),
        batches / "landing",
        batches=batches,
        seal=SEAL,
        shards=shards,
        shard_images=shard_images,
        scratch=scratch,
    )


def test_a_plan_is_read_back_as_it_was_made(anywhere: Place, tmp_path: Path) -> None:
    plan = _plan(anywhere, tmp_path)
    folder = anywhere / plan.batch_id
    assert read_plan(folder) == plan
    assert (plan.images, plan.shards) == (6, 2)
    shards = [read_shard(folder, index, SEAL) for index in range(2)]
    assert [image for shard in shards for image in shard.files] == list(_files(6))
    assert {shard.source for shard in shards} == {str(anywhere / "landing")}


@pytest.mark.parametrize(
    ("count", "shards", "shard_images", "sizes"),
    [
        (6, 1, 2000, [6]),
        (6, 4, 2000, [1, 2, 1, 2]),
        (6, 50, 2000, [1] * 6),
        (10, 2, 3, [2, 3, 2, 3]),
    ],
)
def test_shards_are_of_equal_length_and_neither_too_few_nor_too_many(
    tmp_path: Path, count: int, shards: int, shard_images: int, sizes: list[int]
) -> None:
    plan = _plan(tmp_path, tmp_path, count, shards, shard_images)
    assert plan.shards == len(sizes)
    folder = tmp_path / plan.batch_id
    assert [len(read_shard(folder, i, SEAL).files) for i in range(plan.shards)] == sizes


def test_a_million_files_are_no_more_shards_than_airflow_maps() -> None:
    assert number_of_shards(1_000_000, 2, 2000) == 500
    assert number_of_shards(10_000_000, 2, 2000) == 1000


def test_the_id_follows_from_the_files_alone(tmp_path: Path) -> None:
    ids = {
        _plan(tmp_path / str(shards), tmp_path, count, shards).batch_id
        for count, shards in ((6, 1), (6, 3), (6, 6))
    }
    assert len(ids) == 1
    assert _plan(tmp_path, tmp_path, 5).batch_id not in ids


def test_a_batch_that_was_planned_before_stays_as_it_is(anywhere: Place, tmp_path: Path) -> None:
    first = _plan(anywhere, tmp_path, shards=2)
    assert _plan(anywhere, tmp_path, shards=3) == first


def test_nothing_of_a_plan_is_readable_without_the_key(tmp_path: Path) -> None:
    plan = _plan(tmp_path / "batches", tmp_path / "scratch")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 1 + plan.shards
    for path in written:
        content = path.read_bytes()
        assert not any(name in content for name in (b"Jane", b"P-1", b"landing", b"normal"))
    with pytest.raises(SealBroken):
        read_shard(tmp_path / "batches" / plan.batch_id, 0, Seal(b"another key"))


def test_shards_are_open_to_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / _plan(tmp_path, tmp_path).batch_id / "plan"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_what_was_not_planned_is_named(anywhere: Place, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no batch 'unknown'"):
        read_plan(anywhere / "unknown")
    plan = _plan(anywhere, tmp_path)
    with pytest.raises(NotFound, match="no shard 7"):
        read_shard(anywhere / plan.batch_id, 7, SEAL)


def test_a_listing_that_fails_leaves_no_plan(tmp_path: Path) -> None:
    def failing() -> Iterator[IncomingImage]:
        yield from _files(3)
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        plan_batch(
            failing(),
            tmp_path,
            batches=tmp_path / "batches",
            seal=SEAL,
            shards=1,
            shard_images=10,
            scratch=tmp_path / "scratch",
        )
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
