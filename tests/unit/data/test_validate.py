import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ml.contract.errors import BatchHeld, NotFound, NothingToIngest
from ml.data.manifest import known_fingerprints, read_manifest
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
        "1 of 65 images: no patient: only near-duplicates are kept together"
    ]
    assert report["verdict"].startswith("61 of 67 files accepted; 1 ")


def test_rejects_lie_in_quarantine_with_all_their_reasons(taken_in: DataHome) -> None:
    records = taken_in.quarantine.list()
    assert Counter(record.code for record in records) == {
        "failed-expectation": 2,
        "unreadable-image": 1,
        "unsupported-image": 1,
        "contradicted-label": 1,
    }
    assert ["height out of bounds", "width out of bounds"] in [item.reasons for item in records]


def test_accepted_rows_are_in_the_manifest_and_nothing_else(taken_in: DataHome) -> None:
    frame = read_manifest(taken_in.manifest)
    assert len(frame) == 61
    assert frame["image_id"].is_unique
    assert set(frame["label"]) == {"normal", "benign", "malignant"}


def test_all_files_of_a_committed_batch_are_known(taken_in: DataHome, cohort: Path) -> None:
    assert len(known_fingerprints(taken_in.manifest)) == 67
    with pytest.raises(NothingToIngest):
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
