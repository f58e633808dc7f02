"""What ingest takes from a DICOM header, and how one object's identifiers are replaced."""

from dataclasses import dataclass, field
from datetime import date

from pydicom import Dataset

from ml.contract.decoding import DecodedImage, decode, is_dicom
from ml.contract.dicom.file import read_image_object
from ml.contract.dicom.image import decode_object
from ml.contract.dicom.values import text
from ml.contract.limits import DecodeLimits, check_byte_count
from ml.contract.quiet_dicom import quiet_dicom
from ml.data.burned_in import Annotation, annotation_of
from ml.data.deidentify import (
    Deidentifier,
    age_at,
    parse_age,
    parse_date,
    parse_name,
    parse_sex,
)

_PERSONS = (
    "PatientID",
    "PatientName",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "AccessionNumber",
    "StudyID",
    "InstitutionName",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "OperatorsName",
)
_MARKED = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    "StudyDate",
    "AcquisitionDate",
)


@dataclass(frozen=True, slots=True)
class Header:
    """What is kept of an object's header: no real identifier.

    `patient` is a pseudonym, `study` and `series` are keyed UIDs, dates are shifted.
    """

    patient: str | None = None
    age: int | None = None
    sex: str | None = None
    scanner: str | None = None
    study: str | None = None
    series: str | None = None
    instance: str | None = None
    frame_of_reference: str | None = None
    studied_on: date | None = None
    acquired_on: date | None = None
    annotation: Annotation = field(default_factory=Annotation)


def decode_with_header(
    data: bytes, limits: DecodeLimits, by: Deidentifier, *, patient: str | None = None
) -> tuple[DecodedImage, Header]:
    """As `decode` and, of a DICOM file, `header_of`, reading its elements once.

    Raises:
        InputError: as `decode`.
    """
    if not is_dicom(data):
        return decode(data, limits), Header()
    check_byte_count(data, limits)
    dataset = read_image_object(data, limits.max_bytes)
    with quiet_dicom():
        # Decoding changes the elements.
        header = header_of(dataset, by, patient=patient)
    return DecodedImage(*decode_object(dataset, limits)), header


def header_of(dataset: Dataset, by: Deidentifier, *, patient: str | None = None) -> Header:
    """The kept part of a dataset.

    What `ml.data.dicom_profile` wrote with the same key is taken as it is, so that a file that was
    de-identified on its way in is not renamed again.

    Args:
        patient: a pseudonym known from elsewhere, which the header's patient does not change.
    """
    ours = _is_ours(dataset, by)
    patient_id = text(dataset, "PatientID")
    if patient is None and patient_id is not None:
        patient = patient_id if ours else by.patient(patient_id)

    def uid(keyword: str) -> str | None:
        value = text(dataset, keyword)
        return value if ours or value is None else by.uid(value)

    def day(*keywords: str) -> date | None:
        found = next((when for name in keywords if (when := _day(dataset, name))), None)
        return found if ours or found is None else by.date(found, patient)

    persons = [value for keyword in _PERSONS if (value := text(dataset, keyword))]
    age = parse_age(text(dataset, "PatientAge"))
    if age is None:
        age = age_at(_day(dataset, "PatientBirthDate"), _day(dataset, "StudyDate"))
    return Header(
        patient=patient,
        age=age,
        sex=parse_sex(text(dataset, "PatientSex")),
        scanner=parse_name(text(dataset, "ManufacturerModelName"), nobody=persons),
        study=uid("StudyInstanceUID"),
        series=uid("SeriesInstanceUID"),
        instance=uid("SOPInstanceUID"),
        frame_of_reference=uid("FrameOfReferenceUID"),
        studied_on=day("StudyDate"),
        acquired_on=day("AcquisitionDate", "AcquisitionDateTime", "StudyDate"),
        annotation=annotation_of(dataset),
    )


def mark_of(dataset: Dataset, by: Deidentifier) -> str:
    """The mark that shows that a dataset's identifiers were replaced with this key."""
    return f"vigie:{by.mark(*(text(dataset, keyword) or '' for keyword in _MARKED))}"


def _is_ours(dataset: Dataset, by: Deidentifier) -> bool:
    methods = (text(dataset, "DeidentificationMethod") or "").split("\\")
    removed = text(dataset, "PatientIdentityRemoved") == "YES"
    return removed and mark_of(dataset, by) in methods


def _day(dataset: Dataset, keyword: str) -> date | None:
    return parse_date(text(dataset, keyword))
