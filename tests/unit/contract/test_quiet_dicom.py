import io
import logging
import warnings

import pydicom
import pytest
from pydicom import DataElement, Dataset
from pydicom.uid import ExplicitVRLittleEndian

from ml.contract.quiet_dicom import quiet_dicom


def _file_with_a_name_where_none_belongs() -> bytes:
    dataset = Dataset()
    for tag, vr in ((0x00080005, "CS"), (0x00100030, "DA"), (0x00280030, "DS")):
        element = DataElement(tag, vr, None)
        element._value = "Doe^Jane"
        dataset.add(element)
    dataset.PatientName = "Doe^Jane"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(content, dataset, enforce_file_format=False, implicit_vr=False)
    return content.getvalue()


def test_values_in_the_wrong_place_are_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("pydicom").setLevel(logging.NOTSET)
    data = _file_with_a_name_where_none_belongs()
    assert "Doe" in caplog.text  # pydicom would tell
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with quiet_dicom():
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            assert dataset.get("PatientName") is not None
            assert dataset.get("PatientBirthDate") is not None
    assert "Doe" not in caplog.text
    assert not said
