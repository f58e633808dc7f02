"""Files that a person lets back in: what becomes of them at the next ingest."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ml.contract.errors import BatchHeld
from ml.data.manifest import known_fingerprints, read_manifest
from ml.data.phantoms.files import encode
from ml.data.quarantine_record import QuarantinedImage
from ml.data.results import BatchDecision
from tests.unit.data.home import DataHome, small_params

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def wide(labelled: Path) -> Path:
    """The folder `labelled` with an image that is too long for its width, of a known patient."""
    pixels = np.random.default_rng(5).integers(0, 256, (80, 480), dtype=np.uint8)
    (labelled / "strip.png").write_bytes(encode(pixels, "image/png"))
    lines = ["path,label,patient_id,site", "strip.png,benign,Muster^Erika,north"]
    (labelled / "images.csv").write_text("\n".join(lines))
    return labelled


def _release(
    home: DataHome, record: QuarantinedImage, label: str | None = None
) -> QuarantinedImage:
    return home.quarantine.release(record, mark="1", by="erika", reason="seen", label=label, at=NOW)


def test_a_released_file_comes_in_past_the_fault_that_was_overruled(
    home: DataHome, wide: Path
) -> None:
    assert home.take_in(wide).rejected == {"too long for its width: a strip or a scroll": 1}
    (record,) = home.quarantine.list()
    assert record.faults[0].observed == 6
    _release(home, record)
    (wide / "strip.png").unlink()  # it comes from quarantine, not from where it was delivered
    report = home.take_in(wide)
    assert (report.accepted, report.rows) == (1, 2)  # the list still names the deleted file
    (row,) = read_manifest(home.manifest).to_dict("records")
    assert (row["label"], row["site"]) == ("benign", "north")
    assert row["patient"]
    assert home.quarantine.find(record.quarantine_id).state == "accepted"


def test_a_file_that_fails_otherwise_comes_back_with_its_history(
    home: DataHome, wide: Path
) -> None:
    home.take_in(wide)
    (record,) = home.quarantine.list()
    _release(home, record)
    home.params = small_params("data.min_side=90")
    (wide / "images.csv").write_text("path,label\n")
    assert home.take_in(wide).rejected == {"height out of bounds": 1}
    (again,) = home.quarantine.list()
    assert (again.quarantine_id, again.state) == (record.quarantine_id, "waiting")
    assert [event.state for event in again.history] == ["waiting", "released", "waiting"]


def test_a_file_that_still_cannot_be_read_comes_back_with_its_history(
    home: DataHome, tmp_path: Path
) -> None:
    (tmp_path / "in" / "normal").mkdir(parents=True)
    (tmp_path / "in" / "normal" / "a.png").write_bytes(b"nonsense")
    home.take_in(tmp_path / "in")
    (record,) = home.quarantine.list()
    _release(home, record)
    assert home.take_in(tmp_path / "in").accepted == 0
    (again,) = home.quarantine.list("waiting")
    assert [event.state for event in again.history] == ["waiting", "released", "waiting"]
    assert home.quarantine.content(again.quarantine_id) == b"nonsense"


def test_a_label_given_at_release_takes_the_place_of_the_unknown_one(
    home: DataHome, labelled: Path
) -> None:
    (labelled / "normal").rename(labelled / "normol")
    assert home.take_in(labelled).rejected == {"unknown label": 2}
    for record in home.quarantine.list("waiting"):
        _release(home, record, label="normal")
    assert home.take_in(labelled).accepted == 2
    labels = read_manifest(home.manifest)["label"].value_counts().to_dict()
    assert labels == {"normal": 2, "benign": 2, "malignant": 2}


def test_of_a_file_that_is_gone_the_stored_image_is_kept_and_can_come_in(
    home: DataHome, wide: Path
) -> None:
    plan = home.plan(wide)
    home.ingest(plan)
    (wide / "strip.png").unlink()
    home.validate(plan.batch_id)
    (record,) = home.quarantine.list()
    assert record.content == "pixels"
    _release(home, record)
    (wide / "images.csv").write_text("path,label\n")
    assert home.take_in(wide).accepted == 1
    (row,) = read_manifest(home.manifest).to_dict("records")
    assert row["image_id"] == record.image_id
    assert row["patient"]


def test_an_image_that_was_let_in_is_not_refused_when_it_is_delivered_again(
    home: DataHome, wide: Path, tmp_path: Path
) -> None:
    home.take_in(wide)
    (record,) = home.quarantine.list()
    _release(home, record)
    home.take_in(wide)
    (tmp_path / "again" / "benign").mkdir(parents=True)
    (wide / "strip.png").rename(tmp_path / "again" / "benign" / "copy.png")
    report = home.take_in(tmp_path / "again")
    assert report.rejected == {"duplicate of an image already stored": 1}


def test_no_label_contradicts_once_a_person_decided(home: DataHome, labelled: Path) -> None:
    home.take_in(labelled)
    copy = labelled / "malignant" / "copy.png"
    copy.write_bytes((labelled / "benign" / "0.png").read_bytes())
    assert home.take_in(labelled).rejected == {"same image, other label": 1}
    (record,) = home.quarantine.list()
    home.settled_labels = {str(record.image_id)}
    copy.rename(copy.with_stem("moved"))
    assert home.take_in(labelled).rejected == {"duplicate of an image already stored": 1}


def test_a_held_batch_comes_in_when_a_person_takes_it(home: DataHome, labelled: Path) -> None:
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (70, 70), dtype=np.uint8)
        path = labelled / "unclear" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(pixels, "image/png"))
    plan = home.plan(labelled)
    home.ingest(plan)
    with pytest.raises(BatchHeld):
        home.validate(plan.batch_id)
    decision = BatchDecision(action="accept", by="erika", reason="known series", at=NOW)
    report = home.validate(plan.batch_id, decision=decision)
    assert (report.accepted, report.held, report.decision) == (6, False, decision)
    assert report.held_because == ["too large a share of the files was rejected (50.0%)"]
    assert "by erika in spite of: too large a share" in report.verdict
    assert len(home.quarantine.list("waiting")) == 6
    assert all(
        image.fingerprint in known_fingerprints(home.manifest) for image in home.planned(plan)
    )
