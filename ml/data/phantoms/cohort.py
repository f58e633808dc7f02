"""Write a cohort of phantom patients: image files and an `images.csv`, in one atomic step."""

import csv
import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ml.contract.decoding import MediaType
from ml.contract.errors import InputError
from ml.data.phantoms.anatomy import draw_anatomy
from ml.data.phantoms.faults import NO_FAULTS, CohortRow, Faults, FaultSource, plant
from ml.data.phantoms.files import SUFFIXES, StudyHeader, bits_for, encode
from ml.data.phantoms.render import render_phantom
from ml.data.phantoms.scanners import NEW_SCANNER, SCANNERS, Scanner
from ml.data.results import CohortSummary

logger = logging.getLogger(__name__)

SUMMARY_FILE = ".cohort.json"
CSV_FILE = "images.csv"
_HOME_SCANNER_SHARE = 0.7
_DRIFTED_GAIN = 14.0
_FAULT_KEY = 0xFA017


def _class_mix() -> dict[str, float]:
    return {"normal": 0.6, "benign": 0.3, "malignant": 0.1}


@dataclass(frozen=True)
class CohortSpec:
    """What to write. Equal specs give equal files.

    Every patient has a seed of her own, so her images depend neither on the cohort's size nor on
    the order of rendering. `images` counts good images; `faults` come on top. `shift` changes
    what a model trained without it has never seen: another scanner, or a raised gain.
    """

    images: int
    seed: int = 1
    class_mix: dict[str, float] = field(default_factory=_class_mix)
    sites: tuple[str, ...] = ("north", "south", "harbour")
    scanners: tuple[Scanner, ...] = SCANNERS
    images_per_patient: tuple[int, int] = (2, 5)
    dicom_share: float = 0.1
    jpeg_share: float = 0.1
    faults: Faults = NO_FAULTS
    shift: Literal["new_scanner", "gain"] | None = None


@dataclass(frozen=True, slots=True)
class _Patient:
    number: int
    patient_id: str
    label: str
    images: int
    site: str
    scanner: Scanner
    age: int


def write_cohort(
    spec: CohortSpec, folder: Path, on_progress: Callable[[int], None] | None = None
) -> CohortSummary:
    """Write `folder/images/*` and `folder/images.csv` (path, label, patient_id, site, …).

    The folder appears complete or not at all. Writing the same spec again changes nothing.
    DICOM rows leave patient, scanner, age and sex to the file's header.

    Args:
        on_progress: called with 1 after each good image.

    Raises:
        InputError: the folder holds anything else.
    """
    written = _already_written(spec, folder)
    if written is not None:
        return written
    staging = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    (staging / "images").mkdir(parents=True)
    rows: list[CohortRow] = []
    media_types: Counter[str] = Counter()
    patients = list(_draw_patients(spec))
    for patient in patients:
        for row, media_type in _write_patient(spec, patient, staging):
            rows.append(row)
            media_types[media_type] += 1
            if on_progress is not None:
                on_progress(1)
    faulty = _plant_faults(spec, staging, rows)
    summary = CohortSummary(
        folder=str(folder),
        files=len(rows) + len(faulty),
        patients=len(patients),
        per_label=dict(Counter(row.label for row in rows)),
        per_media_type=dict(media_types),
        faults=spec.faults.counts,
    )
    _write_csv(staging / CSV_FILE, rows + faulty)
    record = {"spec": _spec_json(spec), "summary": summary.model_dump()}
    (staging / SUMMARY_FILE).write_text(json.dumps(record))
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging.replace(folder)
    logger.info("Wrote %d phantom files of %d patients.", summary.files, summary.patients)
    return summary


def _spec_json(spec: CohortSpec) -> str:
    return json.dumps(asdict(spec), sort_keys=True)


def _already_written(spec: CohortSpec, folder: Path) -> CohortSummary | None:
    if not folder.exists() or not any(folder.iterdir()):
        return None
    record_file = folder / SUMMARY_FILE
    if record_file.is_file():
        record = json.loads(record_file.read_text())
        if record["spec"] == _spec_json(spec):
            return CohortSummary.model_validate({**record["summary"], "folder": str(folder)})
    raise InputError(
        f"{folder} is not empty.", remedy="Give each phantom cohort a folder of its own."
    )


def _draw_patients(spec: CohortSpec) -> Iterator[_Patient]:
    """Patients until the images are used up; labels keep the running mix close to the target."""
    written: Counter[str] = Counter()
    number = 0
    while (total := written.total()) < spec.images:
        rng = _patient_rng(spec, number, "record")
        low, high = spec.images_per_patient
        images = min(int(rng.integers(low, high + 1)), spec.images - total)
        label = max(
            spec.class_mix,
            key=lambda name: spec.class_mix[name] * (total + images) - written[name],
        )
        written[label] += images
        site = int(rng.integers(len(spec.sites)))
        yield _Patient(
            number=number,
            patient_id=f"PH{spec.seed:05d}-{number:06d}",
            label=label,
            images=images,
            site=spec.sites[site],
            scanner=_choose_scanner(spec, site, rng),
            age=int(np.clip(rng.normal(52, 13), 21, 89)),
        )
        number += 1


def _choose_scanner(spec: CohortSpec, site: int, rng: np.random.Generator) -> Scanner:
    at_home = rng.random() < _HOME_SCANNER_SHARE
    index = site if at_home else int(rng.integers(len(spec.scanners)))
    scanner = spec.scanners[index % len(spec.scanners)]
    if spec.shift == "new_scanner":
        return NEW_SCANNER
    return scanner.with_gain(_DRIFTED_GAIN) if spec.shift == "gain" else scanner


def _patient_rng(spec: CohortSpec, number: int, purpose: str) -> np.random.Generator:
    key = int.from_bytes(purpose.encode(), "big")
    return np.random.default_rng(np.random.SeedSequence([spec.seed, number, key]))


def _write_patient(
    spec: CohortSpec, patient: _Patient, folder: Path
) -> Iterator[tuple[CohortRow, MediaType]]:
    rng = _patient_rng(spec, patient.number, "images")
    anatomy = draw_anatomy(rng)
    for view in range(patient.images):
        pixels = render_phantom(patient.label, rng, patient.scanner, anatomy=anatomy)
        drawn = rng.random()
        media_type: MediaType = "image/png"
        if drawn < spec.dicom_share:
            media_type = "application/dicom"
        elif drawn < spec.dicom_share + spec.jpeg_share:
            media_type = "image/jpeg"
        number = 10 * patient.number + view
        header = StudyHeader(
            patient_id=patient.patient_id,
            age=patient.age,
            manufacturer=patient.scanner.manufacturer,
            scanner=patient.scanner.name,
            site=patient.site,
            number=number,
            bits_stored=bits_for(number),
        )
        path = f"images/{patient.number:06d}-{view}{SUFFIXES[media_type]}"
        (folder / path).write_bytes(encode(pixels, media_type, header))
        row = CohortRow(path=path, label=patient.label, site=patient.site)
        if media_type != "application/dicom":
            row = CohortRow(
                path=path,
                label=patient.label,
                patient_id=patient.patient_id,
                site=patient.site,
                scanner=patient.scanner.name,
                age=str(patient.age),
                sex="F",
            )
        yield row, media_type


def _plant_faults(spec: CohortSpec, folder: Path, rows: list[CohortRow]) -> list[CohortRow]:
    rng = np.random.default_rng(np.random.SeedSequence([spec.seed, _FAULT_KEY]))
    good = [row for row in rows if row.path.endswith(".png")]

    def fresh_image(rng: np.random.Generator, label: str) -> bytes:
        return encode(render_phantom(label, rng, spec.scanners[0]), "image/png")

    return plant(spec.faults, FaultSource(folder, good, tuple(spec.class_mix), fresh_image), rng)


def _write_csv(path: Path, rows: list[CohortRow]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(CohortRow.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
