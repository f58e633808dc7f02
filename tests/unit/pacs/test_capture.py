import io

import pydicom
import pytest

from ml.pacs.capture import build_capture
from tests.unit.pacs.findings import PIXELS, finding, header


def build(source, **changes):
    found = finding(source).model_copy(update=changes)
    return build_capture(source, PIXELS, found, number=1)


def test_the_capture_belongs_to_the_study_and_names_image_and_algorithm():
    source = header()
    capture = build(source)
    assert capture.StudyInstanceUID == source.StudyInstanceUID
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "NOT FOR DIAGNOSIS" in capture.SeriesDescription
    assert (capture.ManufacturerModelName, capture.SoftwareVersions) == ("Vigie", "7")
    assert "Vigie 7, bundle abababababab" in capture.DerivationDescription


def test_the_capture_is_written_and_read_again():
    content = io.BytesIO()
    build(header()).save_as(content, enforce_file_format=True)
    content.seek(0)
    pixels = pydicom.dcmread(content).pixel_array
    assert pixels.shape[1:] == (360, 3)


def test_the_capture_says_nothing_of_orientation():
    assert not build(header()).PatientOrientation


@pytest.mark.parametrize("told", ["YES", "NO", None])
def test_the_capture_says_of_burned_in_annotation_what_the_image_says(told):
    source = header()
    source.pop("BurnedInAnnotation", None)
    if told:
        source.BurnedInAnnotation = told
    assert build(source).get("BurnedInAnnotation") == told


def test_the_same_answer_is_the_same_capture_and_another_model_s_is_another():
    source = header()
    assert build(source).SOPInstanceUID == build(source).SOPInstanceUID
    assert build(source).SOPInstanceUID != build(source, bundle="cd" * 32).SOPInstanceUID
