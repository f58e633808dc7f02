"""A study goes to a real Orthanc, is answered by a real server, and its report comes back."""

import logging
from datetime import timedelta

import httpx
import numpy as np
import pydicom
import pytest
from highdicom.sr import srread
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage, generate_uid

from ml.contract.decoding import image_id
from ml.contract.errors import Unavailable
from ml.journey.pacs_answer import answer
from ml.pacs.address import ArchiveAddress
from ml.pacs.names import WARNING
from ml.pacs.orthanc import Orthanc
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.store.database import open_database
from ml.store.review_images import read_kept
from tests.fakes.tiny_bundle import tiny_pixels
from tests.pacs.orthanc_process import BINARY, CREDENTIALS
from tests.pacs.studies import as_file, identifiers, read, study_files
from tests.serving.images import BENIGN, MALIGNANT, NORMAL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("orthanc"),
    pytest.mark.skipif(BINARY is None, reason="needs Orthanc (Debian package `orthanc`)"),
]
PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")


def look(workspace, orthanc, server, **changes):
    address = ArchiveAddress(
        orthanc=changes.pop("url", orthanc.url), credentials=changes.pop("user", CREDENTIALS)
    )
    return answer(workspace, PARAMS, address, server_url=changes.pop("server_url", server.url))


def of_class(objects: list[pydicom.Dataset], uid: str) -> list[pydicom.Dataset]:
    return [item for item in objects if item.SOPClassUID == uid]


def summary_of(report: pydicom.Dataset) -> str:
    return next(
        str(item.TextValue)
        for item in report.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Summary"
    )


def test_a_study_is_answered_in_the_archive_by_a_named_algorithm(workspace, orthanc, server):
    files = study_files([NORMAL, MALIGNANT])
    orthanc.send(files)
    seen = look(workspace, orthanc, server)
    assert (seen.studies, seen.images, seen.refused) == (1, 2, 0)
    objects = orthanc.objects()
    (stored,) = of_class(objects, ComprehensiveSRStorage)
    captures = of_class(objects, SecondaryCaptureImageStorage)
    assert len(captures) == 2
    source = read(files[0])
    for item in (stored, *captures):
        assert item.StudyInstanceUID == source.StudyInstanceUID
        assert item.PatientID == source.PatientID
        assert WARNING in item.SeriesDescription
    report = srread(as_file(stored)).content
    groups = report.get_image_measurement_groups()
    assert len(groups) == 2
    found = {
        group.source_images[0].referenced_sop_instance_uid: group.finding_type.meaning
        for group in groups
    }
    expected = [read(file).SOPInstanceUID for file in files]
    assert [found[uid] for uid in expected] == ["Normal", "Malignant"]
    advice = groups[0].get_qualitative_evaluations()[0]
    assert advice.name.meaning == "Advice"
    assert advice.value.meaning in ("Refer to a person", "No doubt noted")
    values = [item.value for item in groups[0].get_measurements()]
    assert sum(values) == pytest.approx(1, abs=0.001)
    model = httpx.get(f"{server.url}/model").json()
    texts = {element.value for element in stored.iterall() if element.keyword == "TextValue"}
    assert {"Vigie", model["version"], f"bundle sha256 {model['bundle']}"} <= texts
    for capture in captures:
        pixels = capture.pixel_array
        assert pixels.shape[1:] == (728, 3)  # the image and its heat map
        assert np.abs(pixels[:40].astype(int) - [255, 176, 0]).sum(axis=2).min() < 60


def test_looking_again_changes_nothing(workspace, orthanc, server):
    orthanc.send(study_files([NORMAL]))
    look(workspace, orthanc, server)
    orthanc.wait_until_stable()
    before = {item.SOPInstanceUID for item in orthanc.objects()}
    again = look(workspace, orthanc, server)
    assert (again.studies, again.known) == (0, 1)
    assert {item.SOPInstanceUID for item in orthanc.objects()} == before
    assert look(workspace, orthanc, server).known == 0


def test_a_round_that_was_interrupted_leaves_no_doubles(workspace, orthanc, server, monkeypatch):
    """The report is missing, as after a crash between captures and report."""
    orthanc.send(study_files([NORMAL, BENIGN]))
    stored = []
    with monkeypatch.context() as patch:
        patch.setattr(Orthanc, "store", lambda _, file: stored.append(file))
        look(workspace, orthanc, server)
    orthanc.send(stored[:2])
    workspace.pacs_place("orthanc-answer").unlink()
    assert look(workspace, orthanc, server).images == 2
    objects = orthanc.objects()
    assert len(of_class(objects, SecondaryCaptureImageStorage)) == 2
    assert len(of_class(objects, ComprehensiveSRStorage)) == 1


def test_an_image_that_came_later_gets_a_report_of_its_study_anew(workspace, orthanc, server):
    study = generate_uid()
    orthanc.send(study_files([NORMAL], study=study))
    look(workspace, orthanc, server)
    orthanc.send(study_files([MALIGNANT], study=study))
    look(workspace, orthanc, server)
    reports = of_class(orthanc.objects(), ComprehensiveSRStorage)
    images = sorted(
        len(srread(as_file(report)).content.get_image_measurement_groups()) for report in reports
    )
    assert images == [1, 2]
    (later,) = [item for item in reports if "PredecessorDocumentsSequence" in item]
    (study,) = later.PredecessorDocumentsSequence
    replaced = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert replaced.ReferencedSOPInstanceUID in {item.SOPInstanceUID for item in reports}
    assert replaced.ReferencedSOPInstanceUID != later.SOPInstanceUID


def test_what_cannot_be_read_is_told_and_the_rest_of_the_study_answered(
    workspace, orthanc, server, caplog
):
    caplog.set_level(logging.INFO)
    files = study_files([NORMAL, BENIGN])
    broken = read(files[1])
    broken.PixelData = broken.PixelData[:100]
    orthanc.send([files[0], as_file(broken).getvalue()])
    seen = look(workspace, orthanc, server)
    assert (seen.images, seen.refused, seen.unreported) == (1, 1, 0)
    assert "is not answered" in caplog.text
    (report,) = of_class(orthanc.objects(), ComprehensiveSRStorage)
    assert report.CompletionFlag == "PARTIAL"
    assert "1 image was not analysed: look at it." in summary_of(report)


def test_a_study_of_which_nothing_can_be_read_is_counted_and_told(
    workspace, orthanc, server, caplog
):
    (file,) = study_files([NORMAL])
    broken = read(file)
    broken.PixelData = broken.PixelData[:100]
    orthanc.send([as_file(broken).getvalue()])
    seen = look(workspace, orthanc, server)
    assert (seen.studies, seen.refused, seen.unreported) == (0, 1, 1)
    assert of_class(orthanc.objects(), ComprehensiveSRStorage) == []
    assert "has no report: none of its images was analysed (1)" in caplog.text


def test_no_identifier_leaves_the_study(workspace, orthanc, server, caplog):
    caplog.set_level(logging.DEBUG)
    files = study_files([NORMAL])
    orthanc.send(files)
    look(workspace, orthanc, server)
    kept = b"".join(
        path.read_bytes()
        for home in (workspace.home, server.home)
        for path in home.rglob("*")
        if path.is_file()
    )
    for planted in identifiers(files):
        assert planted.encode() not in kept
        assert planted not in caplog.text


def test_a_name_in_an_unusual_form_is_not_quoted_by_a_warning(workspace, orthanc, server, recwarn):
    orthanc.send(study_files([NORMAL], PatientName="Muster Erika"))
    assert look(workspace, orthanc, server).studies == 1
    assert not [warning for warning in recwarn if "Muster" in str(warning.message)]


def test_an_image_that_carries_text_is_answered_and_not_kept_for_review(workspace, orthanc, server):
    said = {"YES": 40, "": 41, "NO": 42}
    for value, seed in said.items():
        orthanc.send(study_files([NORMAL], seed=seed, BurnedInAnnotation=value), wait=value == "NO")
    assert look(workspace, orthanc, server).images == 3
    declared, silent, clean = (
        image_id(tiny_pixels(NORMAL, seed=seed, height=96, width=128)) for seed in said.values()
    )
    database = open_database(f"sqlite:///{server.home}/vigie.db")

    def kept() -> set[str]:
        return {image.image_id for image in read_kept(database)}

    server.wait_until(lambda: clean in kept())
    assert not {declared, silent} & kept()


def test_without_a_server_the_round_ends_and_the_studies_come_again_after_their_pause(
    workspace, orthanc, server, monkeypatch
):
    orthanc.send(study_files([NORMAL]) + study_files([BENIGN], seed=1))
    with pytest.raises(Unavailable):
        look(workspace, orthanc, server, server_url="http://127.0.0.1:9")
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    assert look(workspace, orthanc, server).studies == 2


def test_a_wrong_password_is_named(workspace, orthanc, server):
    with pytest.raises(Unavailable, match="401"):
        look(workspace, orthanc, server, user=("vigie", "wrong"))
