import io

import pydicom
import pytest

from ml.data.phantoms.files import StudyHeader, encode
from ml.pacs.source import read_source
from tests.unit.pacs.findings import PIXELS


def file_of(sex: str | list[str]) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(encode(PIXELS, "application/dicom", StudyHeader())))
    dataset.PatientSex = sex
    content = io.BytesIO()
    dataset.save_as(content)
    return content.getvalue()


@pytest.mark.parametrize("sex", ["M", "F", "O"])
def test_a_sex_of_the_standard_is_kept(sex):
    assert read_source(file_of(sex)).PatientSex == sex


@pytest.mark.parametrize("sex", ["U", "m", "MALE", "", ["M", "F"]])
def test_any_other_counts_as_missing(sex):
    assert not read_source(file_of(sex)).PatientSex


def test_what_has_to_be_there_is_there_and_empty():
    header = read_source(file_of("F"))
    assert "AccessionNumber" in header
    assert not header.AccessionNumber
