"""Studies of phantom images with a person's name planted in their headers."""

import io

import pydicom
from pydicom.uid import generate_uid

from ml.data.phantoms.files import StudyHeader, encode
from tests.fakes.tiny_bundle import tiny_pixels

PATIENT, PATIENT_ID = "Muster^Erika", "P-77"
PLANTED = {
    "PatientName": PATIENT,
    "PatientID": PATIENT_ID,
    "PatientBirthDate": "19480513",
    "AccessionNumber": "ACC-4711",
    "ReferringPhysicianName": "Hausarzt^Hans",
    "InstitutionAddress": "Lindenallee 12",
    "StudyDescription": "Frau Muster, Tastbefund",
    "ImageComments": "Tel. 0151-234",
}


def study_files(levels, *, study=None, seed=0, **said) -> list[bytes]:
    """One study of images of these grey levels, of which their headers say also what is `said`."""
    study = study or generate_uid()
    series = generate_uid(entropy_srcs=[study])
    files = []
    for number, level in enumerate(levels, start=seed):
        pixels = tiny_pixels(level, seed=number, height=96, width=128)
        file = encode(pixels, "application/dicom", StudyHeader(number=number))
        dataset = pydicom.dcmread(io.BytesIO(file))
        for name, value in (PLANTED | said).items():
            setattr(dataset, name, value)
        private = dataset.private_block(0x0011, "A VENDOR", create=True)
        private.add_new(1, "LO", "Muster Erika, Station 3")
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        files.append(as_file(dataset).getvalue())
    return files


def identifiers(files: list[bytes]) -> list[str]:
    """All that must not be found anywhere: what was planted, and the original UIDs."""
    found = [value for value in PLANTED.values() if not value.isdigit()]
    found += ["19480513", "Muster", "Station 3"]
    for file in files:
        dataset = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
        found += [dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID]
    return sorted(set(found))


def as_file(dataset: pydicom.Dataset) -> io.BytesIO:
    content = io.BytesIO()
    dataset.save_as(content)
    content.seek(0)
    return content


def read(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(file))
