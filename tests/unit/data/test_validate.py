import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ml.contract.errors import BatchHeld, NotFound, NothingToIngest
from ml.data.manifest import read_manifest
from ml.data.phantoms.files import encode
from tests.unit.data.home import PROJECT, DataHome, small_params


def _noise(path: Path, seed: int, side: int = 80) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    path.write_bytes(encode(pixels, "image/png"))


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory: pytest.TempPathFactory, cohort: Path) -> DataHome:
    """A home that took in the cohort with all faults, with pages."""
    home = DataHome(tmp_path_factory.mktemp("taken-in"))
    plan = home.plan(cohort)
    home.ingest(plan)
    home.validate(plan.batch_id, docs=True)
    return home


def test_every_planted_fault_is_counted_under_its_reason(taken_in: DataHome) -> None:
    (report_file,) = taken_in.root.glob("batches/*/validation.json")
    report = json.loads(report_file.read_text())
    assert report["rejected"] == {
        "not an image of a supported type": 1,
        "damaged or cut short": 1,
        "unknown label": 1,
        "width out of bounds": 1,
        "same image, other label": 1,
        "duplicate of an image already stored": 1,
    }
    assert report["rows"] == 67
    assert report["accepted"] == 67 - 6
    assert report["warnings"] == [
        "1 of 63 images: no patient: only its study and near-duplicates are kept together",
        "56 of 63 images: no study: examinations cannot be told apart",
    ]
    assert report["verdict"].startswith("61 of 67 files accepted; 1 ")


def test_rejects_lie_in_quarantine_with_all_their_reasons(taken_in: DataHome) -> None:
    records = taken_in.quarantine.list()
    assert Counter(record.code for record in records) == {
        "unknown-label": 1,
        "width-out-of-bounds": 1,
        "unreadable-image": 1,
        "unsupported-image": 1,
        "contradicted-label": 1,
    }
    assert ["width out of bounds", "height out of bounds"] in [item.reasons for item in records]
    (small,) = [record for record in records if record.code == "width-out-of-bounds"]
    assert small.faults[0].observed < small.faults[0].bound["min_value"] == 64
    assert all(record.content == "delivered" for record in records)


def test_accepted_rows_are_in_the_manifest_and_nothing_else(taken_in: DataHome) -> None:
    frame = read_manifest(taken_in.manifest)
    assert len(frame) == 61
    assert frame["image_id"].is_unique
    assert set(frame["label"]) == {"normal", "benign", "malignant"}


def test_all_files_of_a_committed_batch_are_known(taken_in: DataHome, cohort: Path) -> None:
    with pytest.raises(NothingToIngest, match="67 files were ingested before"):
        taken_in.plan(cohort)


def test_the_pages_show_the_suites_and_no_pseudonyms(taken_in: DataHome) -> None:
    (index,) = taken_in.docs.glob("*/index.html")
    pages = [path.read_text() for path in index.parent.rglob("*.html")]
    assert any("incoming_image" in page for page in pages)
    patients = read_manifest(taken_in.manifest, columns=["patient"])["patient"].dropna()
    assert not any(patient in page for page in pages for patient in patients.unique())


def test_validating_a_committed_batch_again_changes_nothing(taken_in: DataHome) -> None:
    (manifest_file,) = taken_in.manifest.glob("*.parquet")
    before = manifest_file.stat().st_mtime_ns
    report = taken_in.validate(manifest_file.stem)
    assert report.accepted == 61
    assert manifest_file.stat().st_mtime_ns == before


def test_a_validation_killed_before_its_report_gives_the_same_when_run_again(
    home: DataHome, labelled: Path
) -> None:
    first = home.take_in(labelled)
    rows = read_manifest(home.manifest)
    (home.batch(first.batch_id) / "validation.json").unlink()
    assert home.validate(first.batch_id) == first
    assert read_manifest(home.manifest).equals(rows)


def test_known_images_are_dropped_and_known_images_with_other_labels_refused(
    home: DataHome, labelled: Path, tmp_path: Path
) -> None:
    home.take_in(labelled)
    again = tmp_path / "again"
    for label, source in (("normal", "normal/0.png"), ("malignant", "benign/0.png")):
        (again / label).mkdir(parents=True)
        (again / label / "copy.png").write_bytes((labelled / source).read_bytes())
    _noise(again / "benign" / "new.png", seed=99)
    report = home.take_in(again)
    assert report.accepted == 1
    assert report.rejected == {
        "same image, other label": 1,
        "duplicate of an image already stored": 1,
    }
    assert [record.code for record in home.quarantine.list()] == ["contradicted-label"]


def test_images_without_a_label_wait_for_one_and_get_it_from_a_later_delivery(
    home: DataHome, labelled: Path, tmp_path: Path
) -> None:
    source = labelled / "normal" / "0.png"
    first = tmp_path / "first"
    (first / "unlabelled").mkdir(parents=True)
    (first / "unlabelled" / "scan.png").write_bytes(source.read_bytes())
    report = home.take_in(first)
    assert (report.accepted, report.unlabelled) == (1, 1)
    assert report.verdict == "1 of 1 files accepted; 1 of them wait for a label."
    assert read_manifest(home.manifest)["label"].isna().all()
    report = home.take_in(labelled)
    assert (report.accepted, report.unlabelled, report.rejected) == (6, 0, {})
    assert sorted(read_manifest(home.manifest)["label"].value_counts()) == [2, 2, 2]
    # Delivered without a label once more, it keeps the one it has.
    (first / "unlabelled" / "again.png").write_bytes(source.read_bytes())
    assert home.take_in(first).rejected == {"duplicate of an image already stored": 1}
    assert read_manifest(home.manifest)["label"].notna().all()


def test_a_patient_who_comes_later_keeps_her_images_together(
    home: DataHome, labelled: Path
) -> None:
    home.take_in(labelled)
    assert read_manifest(home.manifest)["patient"].isna().all()
    _noise(labelled / "benign" / "new.png", seed=98)
    names = ("benign/0.png", "benign/1.png", "benign/new.png")
    lines = ["path,label,patient_id", *(f"{name},benign,P1" for name in names)]
    (labelled / "images.csv").write_text("\n".join(lines))
    report = home.take_in(labelled)
    assert (report.accepted, report.rejected) == (3, {})
    frame = read_manifest(home.manifest)
    assert len(frame) == 7
    assert frame["patient"].notna().sum() == 3
    assert frame["patient"].nunique() == 1


def test_an_image_whose_patient_alone_comes_later_does_not_wait_for_a_label(
    home: DataHome, labelled: Path
) -> None:
    home.take_in(labelled)
    names = ("benign/0.png", "benign/1.png")
    lines = ["path,label,patient_id", *(f"{name},,P1" for name in names)]
    (labelled / "images.csv").write_text("\n".join(lines))
    report = home.take_in(labelled)
    assert (report.accepted, report.unlabelled) == (2, 0)
    assert read_manifest(home.manifest)["label"].notna().all()


def test_images_without_a_label_are_rejected_where_a_parameter_says_so(
    tmp_path: Path, labelled: Path
) -> None:
    home = DataHome(tmp_path / "home", small_params("data.quality.unlabelled=reject"))
    (labelled / "normal").rename(labelled / "unlabelled")
    report = home.take_in(labelled)
    assert (report.accepted, report.rejected) == (4, {"no label": 2})


def test_a_label_outside_the_vocabulary_stays_a_rejection(home: DataHome, labelled: Path) -> None:
    (labelled / "normal").rename(labelled / "normal?")
    assert home.take_in(labelled).rejected == {"unknown label": 2}


def test_accepted_images_are_counted_by_label_and_site(home: DataHome, labelled: Path) -> None:
    lines = ["path,label,site"]
    lines += [
        f"{label}/{number}.png,{label},north" for label in ("normal", "benign") for number in (0, 1)
    ]
    (labelled / "images.csv").write_text("\n".join(lines))
    report = home.take_in(labelled)
    assert report.per_label == {"normal": 2, "benign": 2}
    assert report.per_site == {"north": 4}


def test_a_batch_is_held_while_the_manifest_is_damaged(home: DataHome, labelled: Path) -> None:
    home.take_in(labelled)
    (commit,) = home.manifest.glob("*.parquet")
    commit.rename(commit.with_stem("renamed"))
    _noise(labelled / "normal" / "new.png", seed=7)
    plan = home.plan(labelled)
    home.ingest(plan)
    with pytest.raises(BatchHeld, match="a row names another batch than its file"):
        home.validate(plan.batch_id)
    assert len(read_manifest(home.manifest)) == 6


def test_a_batch_of_mostly_bad_files_is_held_as_a_whole(home: DataHome, tmp_path: Path) -> None:
    source = tmp_path / "bad"
    for number in range(6):
        _noise(source / "normal" / f"{number}.png", number)
        _noise(source / "unclear" / f"{number}.png", 100 + number)
    plan = home.plan(source)
    home.ingest(plan)
    with pytest.raises(BatchHeld, match="too large a share") as held:
        home.validate(plan.batch_id)
    assert held.value.reasons == ["too large a share of the files was rejected (50.0%)"]
    assert read_manifest(home.manifest).empty
    assert home.quarantine.list() == []
    assert json.loads((home.batch(plan.batch_id) / "validation.json").read_text())["held"]
    # It stays visible: nothing of it counts as known, so it comes back whole.
    assert home.plan(source) == plan
    home.params = small_params("data.max_rejected_share=0.6")
    assert home.validate(plan.batch_id).accepted == 6


def test_one_bad_file_alone_is_quarantined_and_not_held(home: DataHome, tmp_path: Path) -> None:
    source = tmp_path / "single"
    (source / "normal").mkdir(parents=True)
    (source / "normal" / "a.png").write_bytes(b"nonsense")
    report = home.take_in(source)
    assert (report.accepted, report.held) == (0, False)
    with pytest.raises(NothingToIngest):
        home.plan(source)


def test_a_blank_image_is_refused(home: DataHome, labelled: Path) -> None:
    blank = encode(np.full((80, 80), 120, np.uint8), "image/png")
    (labelled / "normal" / "blank.png").write_bytes(blank)
    assert home.take_in(labelled).rejected == {"blank image: hardly any contrast": 1}


def test_validating_before_merging_names_what_is_missing(home: DataHome) -> None:
    with pytest.raises(NotFound, match=r"rows\.parquet"):
        home.validate("nothing")


_TAKE_IN = """
import sys
from pathlib import Path
from tests.unit.data.home import DataHome
print(DataHome(Path(sys.argv[1])).take_in(Path(sys.argv[2])).accepted)
"""


def test_two_ingests_at_once_store_every_image_once(tmp_path: Path) -> None:
    home = DataHome(tmp_path / "home")
    for name, seeds in (("one", range(12)), ("two", range(6, 18))):
        for seed in seeds:
            _noise(tmp_path / name / "normal" / f"{seed}.png", seed)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _TAKE_IN, str(home.root), str(tmp_path / name)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]
    accepted = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(accepted) == [6, 12]
    frame = read_manifest(home.manifest)
    assert frame["image_id"].nunique() == len(frame) == 18
    for image_id in frame["image_id"]:
        home.store.load(image_id)
