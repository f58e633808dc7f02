import csv
from collections import Counter
from pathlib import Path

import pytest

from ml.contract.decoding import decode
from ml.contract.errors import InputError
from ml.data.phantoms import NEW_SCANNER, CohortSpec, Faults, write_cohort


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "images.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_the_list_names_every_file_and_the_mix_is_as_asked(tmp_path: Path) -> None:
    steps: list[int] = []
    summary = write_cohort(CohortSpec(images=200), tmp_path / "c", steps.append)
    rows = _rows(tmp_path / "c")
    assert summary.files == len(rows) == sum(steps) == 200
    assert summary.per_label == pytest.approx({"normal": 120, "benign": 60, "malignant": 20}, abs=3)
    assert {row["path"] for row in rows} | {"images.csv"} == set(_contents(tmp_path / "c"))
    assert summary.per_media_type.keys() == {"image/png", "image/jpeg", "application/dicom"}


def test_patients_have_several_images_one_label_and_one_site(tmp_path: Path) -> None:
    spec = CohortSpec(images=100, dicom_share=0, jpeg_share=0)
    summary = write_cohort(spec, tmp_path / "c")
    rows = _rows(tmp_path / "c")
    per_patient = Counter(row["patient_id"] for row in rows)
    assert len(per_patient) == summary.patients
    assert max(per_patient.values()) <= 5
    described = {(row["patient_id"], row["label"], row["site"], row["age"]) for row in rows}
    assert len(described) == summary.patients
    assert {row["sex"] for row in rows} == {"F"}
    assert len({row["site"] for row in rows}) == 3
    assert len({row["scanner"] for row in rows}) == 3


def test_dicom_files_keep_their_patient_in_the_header(tmp_path: Path) -> None:
    write_cohort(CohortSpec(images=6, dicom_share=1.0), tmp_path / "c")
    for row in _rows(tmp_path / "c"):
        decoded = decode((tmp_path / "c" / row["path"]).read_bytes())
        assert decoded.media_type == "application/dicom"
        assert (row["patient_id"], row["age"], row["scanner"]) == ("", "", "")


def test_equal_specs_write_equal_files(tmp_path: Path) -> None:
    spec = CohortSpec(images=15, seed=7, faults=Faults.of_each(1))
    write_cohort(spec, tmp_path / "one")
    write_cohort(spec, tmp_path / "two")
    assert _contents(tmp_path / "one") == _contents(tmp_path / "two")
    write_cohort(CohortSpec(images=15, seed=8), tmp_path / "other")
    assert not set(_contents(tmp_path / "one").values()) & set(
        _contents(tmp_path / "other").values()
    )


def test_a_patient_looks_the_same_in_a_larger_cohort(tmp_path: Path) -> None:
    write_cohort(CohortSpec(images=20), tmp_path / "small")
    write_cohort(CohortSpec(images=40), tmp_path / "large")
    small, large = _contents(tmp_path / "small"), _contents(tmp_path / "large")
    images = [name for name in small if name.startswith("images/")]
    assert all(small[name] == large[name] for name in images)


def test_writing_a_cohort_again_changes_nothing(tmp_path: Path) -> None:
    spec = CohortSpec(images=10)
    summary = write_cohort(spec, tmp_path / "c")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c").rglob("*")}
    assert write_cohort(spec, tmp_path / "c") == summary
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "c").rglob("*")}


def test_a_folder_with_other_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write_cohort(CohortSpec(images=5), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_interrupted_cohort_leaves_nothing_to_ingest(tmp_path: Path) -> None:
    class PowerCutError(Exception):
        pass

    def cut(_: int) -> None:
        raise PowerCutError

    with pytest.raises(PowerCutError):
        write_cohort(CohortSpec(images=10), tmp_path / "c", cut)
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    assert write_cohort(CohortSpec(images=10), tmp_path / "c").files == 10


def test_shifts_change_scanner_or_brightness(tmp_path: Path) -> None:
    means = {}
    for shift in (None, "gain", "new_scanner"):
        spec = CohortSpec(images=30, dicom_share=0, shift=shift)
        write_cohort(spec, tmp_path / str(shift))
        rows = _rows(tmp_path / str(shift))
        files = [(tmp_path / str(shift) / row["path"]).read_bytes() for row in rows]
        means[shift] = sum(decode(data).pixels.mean() for data in files) / len(files)
        if shift == "new_scanner":
            assert {row["scanner"] for row in rows} == {NEW_SCANNER.name}
    assert means["gain"] > means[None] + 20
    assert means["new_scanner"] > means[None] + 20
