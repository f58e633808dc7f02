import io
import logging
import traceback
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import DataElement, Dataset
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.quiet_dicom import quiet_dicom
from ml.data.deidentify import Deidentifier
from ml.data.dicom_allowed import ALLOWED, REPLACED
from ml.data.dicom_header import decode_with_header
from ml.data.dicom_profile import CannotDeidentify, deidentify
from ml.data.phantoms.files import StudyHeader, encode

BY = Deidentifier(b"a key that only this test holds")
PIXELS = (np.arange(48 * 40) % 251).astype(np.uint8).reshape(48, 40)
NAME, NUMBER = "Zyxwvut", "90817263545362718"
_VRS = (
    *("AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"),
    *("UI", "DS", "IS", "UN", "OB", "OW"),
)


def study(**changes: object) -> Dataset:
    dataset = pydicom.dcmread(io.BytesIO(encode(PIXELS, "application/dicom", StudyHeader())))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def written(dataset: Dataset) -> bytes:
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def deidentified(data: bytes) -> bytes:
    """A file's de-identified copy."""
    with quiet_dicom():
        return written(deidentify(pydicom.dcmread(io.BytesIO(data)), BY))


def names_someone(data: bytes) -> bool:
    forms = [text.encode(codec) for text in (NAME, NUMBER) for codec in ("ascii", "utf-16-le")]
    folded = data.lower()
    return any(form.lower() in folded for form in forms)


def _planted_value(vr: str) -> object:
    match vr:
        case "UI":
            return f"1.2.{NUMBER}.1"
        case "UN" | "OB" | "OW":
            return f"{NAME} {NUMBER} ".encode()
        case "DS" | "IS":
            return NUMBER
        case _:
            return f"{NAME}^{NUMBER}"


def _plant(dataset: Dataset, tag: int, vr: str, depth: int) -> None:
    """Put an identifier into an element, `depth` sequences deep in an unrelated one."""
    holder = dataset
    for _ in range(depth):
        inner = Dataset()
        holder.add(DataElement(0x00081140, "SQ", Sequence([inner])))
        holder = inner
    element = DataElement(tag, vr, None, validation_mode=pydicom.config.IGNORE)
    element._value = _planted_value(vr)
    holder.add(element)


_PUBLIC = [
    (tag, vr)
    for tag, (vr, *_) in DicomDictionary.items()
    if vr in _VRS and tag >> 16 >= 8 and keyword_for_tag(tag) not in ALLOWED
]
_PRIVATE = st.tuples(st.integers(0, 200), st.integers(0x10, 0xFF), st.sampled_from(_VRS))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    public=st.lists(st.tuples(st.sampled_from(_PUBLIC), st.integers(0, 3)), max_size=12),
    private=st.lists(_PRIVATE, max_size=4),
)
def test_no_planted_identifier_is_left(
    public: list[tuple[tuple[int, str], int]], private: list[tuple[int, int, str]]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = study()
        for (tag, vr), depth in public:
            if keyword_for_tag(tag) not in ("SOPClassUID",):
                _plant(dataset, tag, vr, depth)
        for block, element, vr in private:
            group = 0x0009 + 2 * block
            dataset.add_new((group, 0x0010), "LO", f"{NAME} creator")
            _plant(dataset, (group << 16) | 0x1000 | element, vr, 0)
        _plant(dataset, 0x60003000, "OW", 0)
        _plant(dataset, 0x50003000, "OW", 0)
        dataset.file_meta.SourceApplicationEntityTitle = NAME
        dataset.file_meta.ImplementationVersionName = NAME
        dataset.preamble = (NAME.encode() * 20)[:128]
        dataset.PixelData += _planted_value("OB")  # type: ignore[operator]
        clean = written(deidentify(dataset, BY))
    assert not names_someone(clean)
    assert np.array_equal(decode(clean).pixels, PIXELS)


_KEPT_TEXT = [keyword for keyword, allowed in ALLOWED.items() if allowed.kind != "bytes"]


@pytest.mark.parametrize("keyword", [*_KEPT_TEXT, *REPLACED])
def test_a_kept_attribute_cannot_carry_a_name(keyword: str) -> None:
    dataset = study()
    tag = pydicom.tag.Tag(keyword)
    vr = pydicom.datadict.dictionary_VR(tag)
    element = DataElement(tag, "LO" if vr == "SQ" else vr, None)
    element._value = f"{NAME}^{NUMBER}"
    dataset.add(element)
    dataset.PatientName = f"{NAME}^{NUMBER}"
    try:
        answer = written(deidentify(dataset, BY))
    except CannotDeidentify as refused:
        answer = str(refused).encode()
    assert not names_someone(answer)


def test_nothing_but_the_listed_attributes_is_written() -> None:
    clean = deidentify(study(), BY)
    assert {element.keyword for element in clean} <= ALLOWED.keys() | REPLACED.keys()
    assert {element.keyword for element in clean.file_meta} == {
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
    }
    assert written(clean)[:128] == bytes(128)


def test_the_dataset_that_was_handed_in_is_left_as_it_was() -> None:
    dataset = study(PatientID="P7")
    before = written(dataset)
    deidentify(dataset, BY)
    assert written(dataset) == before


def test_it_says_what_was_done() -> None:
    clean = deidentify(study(PatientID="P7", StudyDate="20240531"), BY)
    assert clean.PatientIdentityRemoved == "YES"
    assert clean.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [item.CodeValue for item in clean.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113108", "113107"]
    nobody = deidentify(study(PatientID="", StudyDate="20240531"), BY)
    assert nobody.LongitudinalTemporalInformationModified == "REMOVED"
    assert nobody.StudyDate == ""


def test_names_are_keyed_and_keep_studies_and_patients_together() -> None:
    first = deidentify(study(PatientID="P7", SOPInstanceUID="1.2.3.1"), BY)
    second = deidentify(study(PatientID="P7", SOPInstanceUID="1.2.3.2"), BY)
    elsewhere = deidentify(study(PatientID="P7", SOPInstanceUID="1.2.3.1"), Deidentifier(b"other"))
    assert first.PatientID == second.PatientID == BY.patient("P7")
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    linked = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    assert all(first[keyword].value != elsewhere[keyword].value for keyword in linked)


def test_what_a_person_is_like_stays() -> None:
    dataset = study(PatientSex="M", PatientBirthDate="19300101", StudyDate="20240531")
    del dataset.PatientAge
    clean = deidentify(dataset, BY)
    assert (clean.PatientAge, clean.PatientSex) == ("090Y", "M")
    assert not clean.PatientBirthDate
    assert clean.ManufacturerModelName == "Sonora A1"


def test_a_file_de_identified_before_is_taken_as_it_is() -> None:
    source = written(study(PatientID="P7", StudyDate="20240531", AcquisitionDate="20240601"))
    clean = deidentified(source)
    assert deidentified(clean) == clean
    _, header = decode_with_header(clean, DecodeLimits(), BY)
    assert header == decode_with_header(source, DecodeLimits(), BY)[1]
    assert header.acquired_on == BY.date(date(2024, 6, 1), BY.patient("P7"))


def test_a_file_that_only_claims_to_be_de_identified_is_not_believed() -> None:
    clean = deidentify(study(PatientID="P7"), BY)
    clean.PatientID = "Doe"
    assert deidentify(clean, BY).PatientID == BY.patient("Doe")
    foreign = deidentify(study(PatientID="P7"), Deidentifier(b"another hospital"))
    assert deidentify(foreign, BY).PatientID == BY.patient(foreign.PatientID)


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",  # signed 16 bits
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "ExplVR_BigEnd.dcm",
        "examples_palette.dcm",
        "examples_ybr_color.dcm",  # several frames
        "JPEG2000.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "image_dfl.dcm",
        "liver_1frame.dcm",
    ],
)
def test_pixels_decode_as_before(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom does not bundle {name}")
    source = pydicom.dcmread(str(path))
    clean = pydicom.dcmread(io.BytesIO(deidentified(Path(str(path)).read_bytes())))
    assert np.array_equal(source.pixel_array, clean.pixel_array)


def test_an_image_in_implicit_representation_is_written_as_such() -> None:
    dataset = study()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.PixelPaddingValue = 252
    clean = deidentified(written(dataset))
    assert pydicom.dcmread(io.BytesIO(clean)).PixelPaddingValue == 252
    assert np.array_equal(decode(clean).pixels, PIXELS)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SOPClassUID", "1.2.3.4.5"),
        ("SOPInstanceUID", ""),
        ("PhotometricInterpretation", "SECRET"),
        ("Rows", None),
    ],
)
def test_what_cannot_be_written_is_refused(keyword: str, value: object) -> None:
    with pytest.raises(CannotDeidentify):
        deidentify(study(**{keyword: value}), BY)


def test_nothing_is_said_about_the_values(caplog: pytest.LogCaptureFixture) -> None:
    dataset = study(PatientID="P7")
    _plant(dataset, 0x00100030, "DA", 0)
    _plant(dataset, 0x00080005, "CS", 0)
    _plant(dataset, 0x00101010, "AS", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = written(dataset)
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        deidentified(data)
    assert not names_someone(caplog.text.encode())
    assert not names_someone("\n".join(str(warning.message) for warning in said).encode())


def test_a_refusal_does_not_carry_the_value_in_its_cause() -> None:
    dataset = study(PatientID="P7")
    _plant(dataset, 0x00281050, "DS", 0)
    dataset["WindowCenter"]._value = f"{NAME}^{NUMBER}"
    with pytest.raises(CannotDeidentify, match="WindowCenter") as refused:
        deidentify(dataset, BY)
    told = "".join(traceback.format_exception(refused.value))
    assert not names_someone(told.encode())
