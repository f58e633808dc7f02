"""What is kept of a person: a keyed pseudonym, age in years, sex; nothing else of a header."""

import hashlib
import hmac
import io
import re
from dataclasses import dataclass

import pydicom

_AGE_PATTERN = re.compile(r"^(\d{1,3})([YMWD]?)$")
_UNITS_PER_YEAR = {"Y": 1, "": 1, "M": 12, "W": 52, "D": 365}
_OLDEST = 90
_SEXES = frozenset({"F", "M", "O"})
_KEPT_TAGS = ["PatientID", "PatientAge", "PatientSex", "ManufacturerModelName"]


@dataclass(frozen=True, slots=True)
class Person:
    """What an image's metadata says about its patient and device. `patient_id` is not kept."""

    patient_id: str | None
    age: int | None
    sex: str | None
    scanner: str | None


def pseudonym(patient_id: str, key: bytes) -> str:
    """A name for a patient that only the key's holder can link back: HMAC-SHA256, 96 bits, hex.

    Equal identifiers give equal pseudonyms at every site, so that a patient seen at two sites
    stays one group.
    """
    digest = hmac.new(key, patient_id.strip().encode(), hashlib.sha256)
    return digest.hexdigest()[:24]


def parse_age(text: str | None) -> int | None:
    """Years from `47` or a DICOM age string (`047Y`, `006M`); None if it is neither.

    Ages of 90 and over are one group, as in the Safe Harbor rule (45 CFR 164.514(b)(2)).
    """
    match = _AGE_PATTERN.match((text or "").strip().upper())
    if match is None:
        return None
    return min(int(match[1]) // _UNITS_PER_YEAR[match[2]], _OLDEST)


def parse_sex(text: str | None) -> str | None:
    """`F`, `M` or `O`; None for anything else."""
    first = (text or "").strip().upper()[:1]
    return first if first in _SEXES else None


def read_person(data: bytes) -> Person:
    """The kept part of a DICOM header; `data` was decoded before, so its header is readable."""
    header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=_KEPT_TAGS)
    return Person(
        patient_id=_text(header.get("PatientID")),
        age=parse_age(_text(header.get("PatientAge"))),
        sex=parse_sex(_text(header.get("PatientSex"))),
        scanner=_text(header.get("ManufacturerModelName")),
    )


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None
