from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ml.data.manifest import (
    SCHEMA,
    commit_rows,
    known_fingerprints,
    read_manifest,
    stored_images,
)
from ml.data.storage import Place, write_bytes
from ml.data.tables import write_table


def _rows(
    batch_id: str, *image_ids: str, label: str | None = "benign", day: int = 1, **values: object
) -> pa.Table:
    rows = [
        {
            "image_id": image_id,
            "label": label,
            "fingerprint": f"{batch_id}/{image_id}",
            "phash": 2**63 + 1,
            "batch_id": batch_id,
            "ingested_at": datetime(2026, 1, day, tzinfo=UTC),
            **values,
        }
        for image_id in image_ids
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def test_the_manifest_is_the_union_of_its_batches(anywhere: Place) -> None:
    commit_rows(anywhere, "one", _rows("one", "b", "a"), settled=[])
    commit_rows(anywhere, "two", _rows("two", "c"), settled=[])
    frame = read_manifest(anywhere)
    assert frame["image_id"].tolist() == ["a", "b", "c"]
    assert frame.columns.tolist() == SCHEMA.names
    assert frame["phash"].tolist() == [2**63 + 1] * 3


def test_an_image_listed_twice_counts_as_it_first_came_in(anywhere: Place) -> None:
    commit_rows(anywhere, "a-late", _rows("a-late", "x", label="normal", day=2), settled=[])
    commit_rows(anywhere, "b-early", _rows("b-early", "x", label="benign", day=1), settled=[])
    assert read_manifest(anywhere, columns=["image_id", "label"]).to_dict("records") == [
        {"image_id": "x", "label": "benign"}
    ]


def test_a_label_that_came_later_counts_and_keeps_what_was_known(anywhere: Place) -> None:
    first = _rows("one", "x", label=None, patient="p", site="north", age=40)
    commit_rows(anywhere, "one", first, settled=[])
    late = _rows("two", "x", label="normal", day=2, site="south")
    commit_rows(anywhere, "two", late, settled=[])
    (row,) = read_manifest(anywhere).to_dict("records")
    assert (row["label"], row["patient"], row["site"], row["age"]) == ("normal", "p", "south", 40)
    assert row["phash"] == 2**63 + 1
    assert row["batch_id"] == "two"


def test_a_label_that_vanished_stays(anywhere: Place) -> None:
    commit_rows(anywhere, "two", _rows("two", "x", day=2), settled=[])
    commit_rows(anywhere, "one", _rows("one", "x", label=None), settled=[])
    assert read_manifest(anywhere, columns=["label"])["label"].tolist() == ["benign"]


def test_images_that_wait_for_a_label_are_stored_without(anywhere: Place) -> None:
    commit_rows(anywhere, "one", _rows("one", "x", label=None), settled=[])
    assert stored_images(anywhere, ["x"], except_batch="") == {"x": (None, None)}


def test_an_empty_manifest_has_all_columns_and_no_rows(anywhere: Place) -> None:
    frame = read_manifest(anywhere / "none")
    assert frame.columns.tolist() == SCHEMA.names
    assert frame.empty


def test_accepted_and_settled_files_are_known(anywhere: Place) -> None:
    commit_rows(anywhere, "one", _rows("one", "a"), settled=["rejected", "repeated"])
    commit_rows(anywhere, "two", _rows("two"), settled=["alone"])
    known = known_fingerprints(anywhere)
    assert all(name in known for name in ("one/a", "rejected", "repeated", "alone"))
    assert "another" not in known


def test_stored_images_leave_out_the_asking_batch(anywhere: Place) -> None:
    commit_rows(anywhere, "one", _rows("one", "a", "b"), settled=[])
    commit_rows(anywhere, "two", _rows("two", "c"), settled=[])
    known = stored_images(anywhere, ["a", "c", "z"], except_batch="two")
    assert known == {"a": ("benign", None)}


def test_unfinished_files_are_not_part_of_the_manifest(anywhere: Place) -> None:
    write_bytes(anywhere / ".one.parquet.17.part", b"half")
    write_bytes(anywhere / ".lock", b"")
    assert read_manifest(anywhere).empty


@pytest.mark.parametrize("missing", ["phash", "label"])
def test_rows_of_another_shape_are_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        commit_rows(tmp_path, "one", _rows("one", "a").drop_columns([missing]), settled=[])


def test_many_batches_are_read_as_few(anywhere: Place) -> None:
    names = [f"batch-{number:02d}" for number in range(20)]
    for name in names:
        commit_rows(anywhere, name, _rows(name, name), settled=[])
    assert read_manifest(anywhere)["image_id"].tolist() == names
    assert all(f"{name}/{name}" in known_fingerprints(anywhere) for name in names[::7])


def test_columns_that_an_earlier_version_did_not_have_are_null(tmp_path: Path) -> None:
    early = _rows("early", "a").drop_columns(["descriptor"])
    write_table(early, tmp_path / "early.parquet")
    assert read_manifest(tmp_path, columns=["image_id", "descriptor"]).to_dict("records") == [
        {"image_id": "a", "descriptor": None}
    ]
