import os
from pathlib import Path

import pytest

from ml.contract.errors import InputError, NotFound, NothingToIngest
from ml.data.landing import discover, plan_batch
from ml.data.results import IncomingImage

LABELS = ["normal", "benign", "malignant"]


def _csv(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "images.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_folder_per_label_gives_labels_and_relative_paths(labelled: Path) -> None:
    found = discover(labelled, labels=LABELS)
    assert len(found) == 6
    assert {image.path.split("/")[0]: image.label for image in found} == {
        label: label for label in LABELS
    }
    assert [image.path for image in found] == sorted(image.path for image in found)


def test_an_unknown_folder_becomes_the_label_so_that_validation_can_name_it(
    labelled: Path,
) -> None:
    (labelled / "unclear").mkdir()
    (labelled / "unclear" / "a.png").write_bytes(b"x")
    assert discover(labelled, labels=LABELS)[-1].label == "unclear"


def test_a_loose_file_has_no_label(labelled: Path) -> None:
    (labelled / "loose.png").write_bytes(b"x")
    assert {image.path: image.label for image in discover(labelled, labels=LABELS)}[
        "loose.png"
    ] is None


def test_hidden_files_are_skipped(labelled: Path) -> None:
    (labelled / "normal" / ".partial.png").write_bytes(b"x")
    (labelled / ".cohort.part").mkdir()
    (labelled / ".cohort.part" / "a.png").write_bytes(b"x")
    assert len(discover(labelled, labels=LABELS)) == 6


def test_a_csv_gives_metadata_and_wins_over_folders(labelled: Path) -> None:
    _csv(
        labelled,
        "path,label,patient_id,site,scanner,age,sex,remark",
        "normal/0.png,benign, P1 ,north,,047Y,female,ignored",
    )
    (image,) = discover(labelled, labels=LABELS)
    assert image == IncomingImage(
        path="normal/0.png",
        label="benign",
        patient_id="P1",
        site="north",
        scanner=None,
        age=47,
        sex="F",
        fingerprint=image.fingerprint,
    )
    assert discover(labelled / "images.csv", labels=LABELS) == [image]


def test_a_csv_with_a_byte_order_mark_is_read(labelled: Path) -> None:
    (labelled / "images.csv").write_bytes("\ufeffpath,label\nnormal/0.png,normal\n".encode())
    assert len(discover(labelled, labels=LABELS)) == 1


def test_a_csv_without_label_column_is_refused_by_name(tmp_path: Path) -> None:
    path = _csv(tmp_path, "path,class", "a.png,normal")
    with pytest.raises(InputError, match=r"images\.csv lacks the column label"):
        discover(path, labels=LABELS)


def test_deliveries_with_their_own_lists_are_read_side_by_side(tmp_path: Path) -> None:
    for name in ("first", "second"):
        _csv(tmp_path / name, "path,label", "images/a.png,normal")
    found = discover(tmp_path, labels=LABELS)
    assert [image.path for image in found] == ["first/images/a.png", "second/images/a.png"]


def test_known_files_are_skipped_until_they_change(labelled: Path) -> None:
    known = {image.fingerprint for image in discover(labelled, labels=LABELS)}
    with pytest.raises(NothingToIngest, match="6 files were ingested before"):
        discover(labelled, labels=LABELS, known=known)
    os.utime(labelled / "normal" / "0.png", ns=(0, 1))
    assert [image.path for image in discover(labelled, labels=LABELS, known=known)] == [
        "normal/0.png"
    ]


def test_an_empty_landing_zone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NothingToIngest, match="one of normal, benign, malignant") as refusal:
        discover(tmp_path, labels=LABELS)
    assert str(tmp_path) in refusal.value.message


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        discover(tmp_path / "nowhere", labels=LABELS)


def test_a_listed_file_that_arrives_later_counts_as_new(tmp_path: Path) -> None:
    path = _csv(tmp_path, "path,label", "late.png,normal")
    known = {discover(path, labels=LABELS)[0].fingerprint}
    (tmp_path / "late.png").write_bytes(b"here")
    assert len(discover(path, labels=LABELS, known=known)) == 1


@pytest.mark.parametrize("shards", [1, 2, 4, 6, 50])
def test_shards_partition_the_files_evenly_and_the_id_ignores_their_number(
    labelled: Path, shards: int
) -> None:
    incoming = discover(labelled, labels=LABELS)
    plan = plan_batch(labelled, incoming, shards=shards)
    assert [image for shard in plan.shards for image in shard] == incoming
    sizes = [len(shard) for shard in plan.shards]
    assert len(sizes) == min(shards, 6)
    assert max(sizes) - min(sizes) <= 1
    assert plan.batch_id == plan_batch(labelled, incoming[::-1], shards=1).batch_id
