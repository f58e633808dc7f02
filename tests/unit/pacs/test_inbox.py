import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ml.contract.errors import DeflateBomb, InputError, NoPixelData, UnreadableImage
from ml.data.deidentify import Deidentifier
from ml.data.dicom_profile import deidentify
from ml.data.storage import open_partial
from ml.pacs.inbox import Inbox, OwnObject
from tests.fakes.s3_process import S3Process
from tests.pacs.studies import as_file, read, study_files

BY = Deidentifier(b"a key of the test")


def inbox(folder, deidentified=None):
    return Inbox(
        folder,
        deidentify=deidentified or (lambda dataset: deidentify(dataset, BY)),
        name=BY.uid,
        max_bytes=100_000,
    )


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_landed_is_known_by_its_uids(tmp_path):
    box, (file,) = inbox(tmp_path), study_files([128])
    source = read(file)
    assert not box.holds(source.StudyInstanceUID, source.SOPInstanceUID)
    assert box.put(file)
    assert box.holds(source.StudyInstanceUID, source.SOPInstanceUID)
    assert not box.put(file)
    assert files(tmp_path) == [
        tmp_path / BY.uid(source.StudyInstanceUID) / f"{BY.uid(source.SOPInstanceUID)}.dcm"
    ]


@pytest.mark.xdist_group("s3")
def test_the_landing_zone_may_be_a_bucket():
    (file,) = study_files([128])
    source = read(file)
    with S3Process() as server:
        root = server.new_place()
        box = inbox(root)
        assert box.put(file)
        assert not box.put(file)
        assert box.holds(source.StudyInstanceUID, source.SOPInstanceUID)
        (path,) = root.rglob("*.dcm")
        np.testing.assert_array_equal(read(path.read_bytes()).pixel_array, source.pixel_array)


def test_files_are_their_owner_s_alone(tmp_path):
    inbox(tmp_path).put(*study_files([128]))
    (path,) = files(tmp_path)
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("data", [b"", b"no DICOM", b"\0" * 128 + b"DICM" + b"\xff" * 99])
def test_what_is_no_dicom_file_is_refused(tmp_path, data):
    with pytest.raises((UnreadableImage, NoPixelData)):
        inbox(tmp_path).put(data)
    assert files(tmp_path) == []


def test_a_deflated_file_lands_and_one_that_inflates_beyond_the_limit_does_not(tmp_path):
    dataset = read(study_files([128])[0])
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert inbox(tmp_path).put(as_file(dataset).getvalue())
    dataset.PixelData, dataset.SOPInstanceUID = bytes(1_000_000), "1.2.3"
    with pytest.raises(DeflateBomb, match="100,000"):
        inbox(tmp_path).put(as_file(dataset).getvalue())
    assert len(files(tmp_path)) == 1


def test_a_capture_of_vigie_does_not_come_back(tmp_path):
    dataset = read(study_files([128])[0])
    dataset.Manufacturer = "Vigie"
    with pytest.raises(OwnObject, match="made by Vigie"):
        inbox(tmp_path).put(as_file(dataset).getvalue())


def test_what_cannot_be_de_identified_is_not_written(tmp_path):
    def refuse(dataset):
        raise InputError("It says too much.")

    with pytest.raises(InputError, match="too much"):
        inbox(tmp_path, refuse).put(*study_files([128]))
    assert files(tmp_path) == []


def test_a_defect_of_the_header_is_told_without_its_values(tmp_path):
    def stumble(dataset):
        raise ValueError(dataset.PatientName)

    with pytest.raises(UnreadableImage) as caught:
        inbox(tmp_path, stumble).put(*study_files([128]))
    assert "Muster" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_partial_files_of_writers_that_were_killed_are_forgotten(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (study / ".dead.x.part").write_bytes(b"half")
    living, path = open_partial(study, "living")
    with living:
        inbox(tmp_path)
        assert files(tmp_path) == [path]
