import csv
from pathlib import Path

import pytest

from ml.contract.decoding import decode
from ml.contract.errors import UnreadableImage, UnsupportedImage
from ml.data.phantoms import FAULT_NAMES, CohortSpec, Faults, write_cohort


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "cohort"
    summary = write_cohort(CohortSpec(images=20, faults=Faults.of_each(2)), folder)
    assert summary.files == 20 + 2 * len(FAULT_NAMES)
    assert summary.faults == dict.fromkeys(FAULT_NAMES, 2)
    return folder


def _fault(folder: Path, name: str) -> tuple[dict[str, str], bytes]:
    with (folder / "images.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if f"fault-{name}-0" in row["path"]]
    return rows[0], (folder / rows[0]["path"]).read_bytes()


def _good(folder: Path) -> dict[bytes, str]:
    """Content → label of the cohort's good files."""
    with (folder / "images.csv").open(newline="") as file:
        return {
            (folder / row["path"]).read_bytes(): row["label"]
            for row in csv.DictReader(file)
            if "fault" not in row["path"]
        }


def test_a_truncated_file_starts_as_an_image_but_cannot_be_read(faulty: Path) -> None:
    _, data = _fault(faulty, "truncated")
    assert data.startswith(b"\x89PNG")
    with pytest.raises(UnreadableImage):
        decode(data)


def test_a_tiny_file_is_an_image_of_useless_size(faulty: Path) -> None:
    assert decode(_fault(faulty, "tiny")[1]).pixels.shape == (12, 12)


def test_a_duplicate_repeats_a_good_file_with_its_label(faulty: Path) -> None:
    row, data = _fault(faulty, "duplicate")
    assert _good(faulty)[data] == row["label"]


def test_a_mislabeled_twin_repeats_a_good_file_with_another_label(faulty: Path) -> None:
    row, data = _fault(faulty, "mislabeled_twin")
    assert _good(faulty)[data] != row["label"]


def test_an_image_without_patient_is_otherwise_good(faulty: Path) -> None:
    row, data = _fault(faulty, "missing_patient")
    assert row["patient_id"] == ""
    assert decode(data).pixels.shape[0] >= 160


def test_a_note_named_like_an_image_is_none(faulty: Path) -> None:
    with pytest.raises(UnsupportedImage):
        decode(_fault(faulty, "not_an_image")[1])


def test_an_unknown_label_is_outside_the_vocabulary(faulty: Path) -> None:
    assert _fault(faulty, "unknown_label")[0]["label"] == "unclear"
