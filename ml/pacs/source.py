"""The header of an image, complete enough for objects of ours to join its study."""

import io

import pydicom
from pydicom import Dataset
from pydicom.valuerep import DA, TM

# Type 2 in the modules Patient and General Study (PS3.3, C.7.1.1 and C.7.2.1): they must be there
# and may be empty. Not every device writes all of them.
_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)

_TIMES = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}
_SEXES = ("M", "F", "O")
"""All that the standard allows (PS3.3, C.7.1.1); devices write U and others, too."""


def read_source(file: bytes) -> Dataset:
    """The header without pixels; what must be there and is not is added empty.

    A sex that the standard does not know counts as missing, and so does a date or time that is
    none: no report could be written with them.

    Args:
        file: a DICOM file that was decoded before, so its header is readable.
    """
    header = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
    for name in _MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, None)
    for name, form in _TIMES.items():
        try:
            form(header[name].value)
        except (TypeError, ValueError):  # the former where there are several
            setattr(header, name, None)
    if header.PatientSex not in _SEXES:
        header.PatientSex = None
    return header
