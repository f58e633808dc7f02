from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ml.data.manifest import (
    SCHEMA,
    commit_rows,
    known_fingerprints,
    read_manifest,
    stored_labels,
)


def _rows(batch_id: str, *image_ids: str, label: str = "benign", day: int = 1) -> pa.Table:
    rows = [
        {
            "image_id": image_id,
            "label": label,
            "fingerprint": f"{batch_id}/{image_id}",
            "phash": 2**63 + 1,
            "batch_id": batch_id,
            "ingested_at": datetime(2026, 1, day, tzinfo=UTC),
        }
        for image_id in image_ids
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def test_the_manifest_is_the_union_of_its_batches(tmp_path: Path) -> None:
    commit_rows(tmp_path, "one", _rows("one", "b", "a"), settled=[])
    commit_rows(tmp_path, "two", _rows("two", "c"), settled=[])
    frame = read_manifest(tmp_path)
    assert frame["image_id"].tolist() == ["a", "b", "c"]
    assert frame.columns.tolist() == SCHEMA.names
    assert frame["phash"].tolist() == [2**63 + 1] * 3


def test_an_image_listed_twice_counts_as_it_first_came_in(tmp_path: Path) -> None:
    commit_rows(tmp_path, "a-late", _rows("a-late", "x", label="normal", day=2), settled=[])
    commit_rows(tmp_path, "b-early", _rows("b-early", "x", label="benign", day=1), settled=[])
    assert read_manifest(tmp_path, columns=["image_id", "label"]).to_dict("records") == [
        {"image_id": "x", "label": "benign"}
    ]


def test_an_empty_manifest_has_all_columns_and_no_rows(tmp_path: Path) -> None:
    frame = read_manifest(tmp_path / "none")
    assert frame.columns.tolist() == SCHEMA.names
    assert frame.empty
    assert known_fingerprints(tmp_path / "none") == set()


def test_accepted_and_settled_files_are_known(tmp_path: Path) -> None:
    commit_rows(tmp_path, "one", _rows("one", "a"), settled=["rejected", "repeated"])
    commit_rows(tmp_path, "two", _rows("two"), settled=["alone"])
    assert known_fingerprints(tmp_path) == {"one/a", "rejected", "repeated", "alone"}


def test_stored_labels_leave_out_the_asking_batch(tmp_path: Path) -> None:
    commit_rows(tmp_path, "one", _rows("one", "a", "b"), settled=[])
    commit_rows(tmp_path, "two", _rows("two", "c"), settled=[])
    assert stored_labels(tmp_path, ["a", "c", "z"], except_batch="two") == {"a": "benign"}


def test_unfinished_files_are_not_part_of_the_manifest(tmp_path: Path) -> None:
    (tmp_path / ".one.parquet.17.part").write_bytes(b"half")
    (tmp_path / ".lock").touch()
    assert read_manifest(tmp_path).empty


@pytest.mark.parametrize("missing", ["phash", "label"])
def test_rows_of_another_shape_are_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        commit_rows(tmp_path, "one", _rows("one", "a").drop_columns([missing]), settled=[])
