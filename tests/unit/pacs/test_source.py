import io

import pydicom
import pytest
from pydicom.config import disable_value_validation

from ml.data.phantoms.files import StudyHeader, encode
from ml.pacs.source import read_source
from tests.unit.pacs.findings import PIXELS


def file_of(sex: str | list[str], **raw: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(encode(PIXELS, "application/dicom", StudyHeader())))
    dataset.PatientSex = sex
    with disable_value_validation():  # as devices do
        for name, value in raw.items():
            setattr(dataset, name, value)
    content = io.BytesIO()
    dataset.save_as(content)
    return content.getvalue()


@pytest.mark.parametrize("sex", ["M", "F", "O"])
def test_a_sex_of_the_standard_is_kept(sex):
    assert read_source(file_of(sex)).PatientSex == sex


@pytest.mark.parametrize("sex", ["U", "m", "MALE", "", ["M", "F"]])
def test_any_other_counts_as_missing(sex):
    assert not read_source(file_of(sex)).PatientSex


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PatientBirthDate", "00000000"),
        ("StudyDate", "2024-01-01"),
        ("StudyDate", "20240101\\20240102"),
        ("StudyTime", "25:61"),
    ],
)
def test_a_date_or_time_that_is_none_counts_as_missing(name, value):
    header = read_source(file_of("F", **{name: value}))
    assert not header[name].value


def test_a_date_and_a_time_are_kept():
    header = read_source(file_of("F", StudyDate="20240131", StudyTime="101500.5"))
    assert (header.StudyDate, header.StudyTime) == ("20240131", "101500.5")


def test_what_has_to_be_there_is_there_and_empty():
    header = read_source(file_of("F"))
    assert "AccessionNumber" in header
    assert not header.AccessionNumber
