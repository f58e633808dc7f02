"""A study goes to a real Orthanc, is answered by a real server, and its report comes back."""

import io
import logging
import time

import httpx
import numpy as np
import pydicom
import pytest
from highdicom.sr import srread
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage, generate_uid

from ml.contract.errors import Unavailable
from ml.data.phantoms.files import StudyHeader, encode
from ml.journey.pacs import answer_studies, look_at_archive, read_cursor
from ml.journey.workspace import Workspace
from ml.pacs.names import WARNING
from ml.pacs.orthanc import Orthanc
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.fakes.tiny_bundle import tiny_pixels, write_tiny_bundle
from tests.pacs.orthanc_process import BINARY, CREDENTIALS, OrthancProcess
from tests.serving.images import BENIGN, MALIGNANT, NORMAL
from tests.serving.server_process import ServerProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("orthanc"),
    pytest.mark.skipif(BINARY is None, reason="needs Orthanc (Debian package `orthanc`)"),
]
PATIENT = "Muster^Erika"
PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    bundle = write_tiny_bundle(folder / "bundle")
    with ServerProcess(
        folder / "home", "--bundle", str(bundle), environment={"VIGIE_ENGINE": "onnxruntime"}
    ) as server:
        yield server


@pytest.fixture
def orthanc(tmp_path):
    (tmp_path / "orthanc").mkdir()
    with OrthancProcess(tmp_path / "orthanc") as orthanc:
        yield orthanc


@pytest.fixture
def workspace(tmp_path):
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


def study_files(levels, *, study=None) -> list[bytes]:
    """One study of images of these grey levels, with a person's name in its headers."""
    study = study or generate_uid()
    files = []
    for number, level in enumerate(levels):
        pixels = tiny_pixels(level, seed=number, height=96, width=128)
        file = encode(pixels, "application/dicom", StudyHeader(patient_id="P-77", number=number))
        dataset = pydicom.dcmread(io.BytesIO(file))
        dataset.PatientName, dataset.StudyInstanceUID = PATIENT, study
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[study])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        files.append(as_file(dataset).getvalue())
    return files


def send(orthanc: OrthancProcess, files: list[bytes]) -> None:
    with orthanc.client() as client:
        for file in files:
            client.post("/instances", content=file).raise_for_status()
    wait_until_stable(orthanc)


def wait_until_stable(orthanc: OrthancProcess) -> None:
    with orthanc.client() as client:
        deadline = time.monotonic() + 30
        while not all(client.get(f"/studies/{s}").json()["IsStable"] for s in studies(client)):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def studies(client: httpx.Client) -> list[str]:
    return client.get("/studies").json()


def look(workspace, orthanc, server):
    return look_at_archive(
        workspace,
        PARAMS,
        pacs_url=orthanc.url,
        credentials=CREDENTIALS,
        server_url=server.url,
    )


def objects_of(orthanc: OrthancProcess) -> list[pydicom.Dataset]:
    with orthanc.client() as client:
        return [
            pydicom.dcmread(io.BytesIO(client.get(f"/instances/{name}/file").content))
            for name in client.get("/instances").json()
        ]


def as_file(dataset: pydicom.Dataset) -> io.BytesIO:
    content = io.BytesIO()
    dataset.save_as(content)
    content.seek(0)
    return content


def of_class(objects: list[pydicom.Dataset], uid: str) -> list[pydicom.Dataset]:
    return [item for item in objects if item.SOPClassUID == uid]


def test_a_study_is_answered_in_the_archive(workspace, orthanc, server):
    files = study_files([NORMAL, MALIGNANT])
    send(orthanc, files)
    seen = look(workspace, orthanc, server)
    assert (seen.studies, seen.images, seen.refused) == (1, 2, 0)
    objects = objects_of(orthanc)
    (stored,) = of_class(objects, ComprehensiveSRStorage)
    captures = of_class(objects, SecondaryCaptureImageStorage)
    assert len(captures) == 2
    source = pydicom.dcmread(io.BytesIO(files[0]))
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
    expected = [pydicom.dcmread(io.BytesIO(file)).SOPInstanceUID for file in files]
    assert [found[uid] for uid in expected] == ["normal", "malignant"]
    advice = groups[0].get_qualitative_evaluations()[0]
    assert advice.name.meaning == "Report or refer to a person"
    assert advice.value.meaning in ("report", "refer")
    values = [item.value for item in groups[0].get_measurements()]
    assert sum(values) == pytest.approx(1, abs=0.001)


def test_the_algorithm_and_its_version_stand_in_the_report(workspace, orthanc, server):
    send(orthanc, study_files([BENIGN]))
    look(workspace, orthanc, server)
    (stored,) = of_class(objects_of(orthanc), ComprehensiveSRStorage)
    model = httpx.get(f"{server.url}/model").json()
    texts = {element.value for element in stored.iterall() if element.keyword == "TextValue"}
    assert {"Vigie vigie", model["version"], f"bundle sha256 {model['bundle']}"} <= texts
    assert stored.VerificationFlag == "UNVERIFIED"


def test_looking_again_changes_nothing(workspace, orthanc, server):
    send(orthanc, study_files([NORMAL]))
    look(workspace, orthanc, server)
    wait_until_stable(orthanc)
    before = {item.SOPInstanceUID for item in objects_of(orthanc)}
    again = look(workspace, orthanc, server)
    assert (again.studies, again.known) == (0, 1)
    assert {item.SOPInstanceUID for item in objects_of(orthanc)} == before
    assert look(workspace, orthanc, server).known == 0


def test_a_round_that_was_interrupted_leaves_no_doubles(workspace, orthanc, server):
    """The report is missing, as after a crash between captures and report."""
    send(orthanc, study_files([NORMAL, BENIGN]))
    with Orthanc(orthanc.url, CREDENTIALS) as archive, httpx.Client(base_url=server.url) as client:
        stored, archive.store = [], lambda file: stored.append(file)
        answer_studies(workspace, PARAMS, archive, client)
    send(orthanc, stored[:2])
    workspace.pacs_cursor.unlink()
    assert look(workspace, orthanc, server).images == 2
    objects = objects_of(orthanc)
    assert len(of_class(objects, SecondaryCaptureImageStorage)) == 2
    assert len(of_class(objects, ComprehensiveSRStorage)) == 1


def test_an_image_that_came_later_gets_a_report_of_its_study_anew(workspace, orthanc, server):
    study = generate_uid()
    send(orthanc, study_files([NORMAL], study=study))
    look(workspace, orthanc, server)
    send(orthanc, study_files([MALIGNANT], study=study))
    look(workspace, orthanc, server)
    reports = of_class(objects_of(orthanc), ComprehensiveSRStorage)
    images = sorted(
        len(srread(as_file(report)).content.get_image_measurement_groups()) for report in reports
    )
    assert images == [1, 2]


def test_what_cannot_be_read_is_told_and_the_rest_of_the_study_answered(
    workspace, orthanc, server, caplog
):
    caplog.set_level(logging.INFO)
    files = study_files([NORMAL, BENIGN])
    broken = pydicom.dcmread(io.BytesIO(files[1]))
    broken.PixelData = broken.PixelData[:100]
    send(orthanc, [files[0], as_file(broken).getvalue()])
    seen = look(workspace, orthanc, server)
    assert (seen.images, seen.refused) == (1, 1)
    assert "is not answered" in caplog.text


def test_no_identifier_leaves_the_study(workspace, orthanc, server, caplog):
    caplog.set_level(logging.DEBUG)
    files = study_files([NORMAL])
    send(orthanc, files)
    look(workspace, orthanc, server)
    source = pydicom.dcmread(io.BytesIO(files[0]))
    kept = b"".join(
        path.read_bytes()
        for home in (workspace.home, server.home)
        for path in home.rglob("*")
        if path.is_file()
    )
    for planted in ("Muster", "P-77", source.StudyInstanceUID, source.SOPInstanceUID):
        assert planted.encode() not in kept
        assert planted not in caplog.text


def test_without_a_server_the_next_round_goes_on_with_the_same_study(workspace, orthanc, server):
    send(orthanc, study_files([NORMAL]))
    with pytest.raises(Unavailable):
        look_at_archive(
            workspace,
            PARAMS,
            pacs_url=orthanc.url,
            credentials=CREDENTIALS,
            server_url="http://127.0.0.1:9",
        )
    assert look(workspace, orthanc, server).studies == 1
    assert read_cursor(workspace) > 0


def test_a_wrong_password_is_named(workspace, orthanc, server):
    with pytest.raises(Unavailable, match="401"):
        look_at_archive(
            workspace,
            PARAMS,
            pacs_url=orthanc.url,
            credentials=("vigie", "wrong"),
            server_url=server.url,
        )


def test_the_capture_shows_the_image_under_its_warning(workspace, orthanc, server):
    send(orthanc, study_files([MALIGNANT]))
    look(workspace, orthanc, server)
    (capture,) = of_class(objects_of(orthanc), SecondaryCaptureImageStorage)
    pixels = capture.pixel_array
    assert pixels.shape[2] == 3
    assert pixels.shape[1] >= 360
    banner = pixels[: pixels.shape[0] // 6]
    assert np.abs(banner.astype(int) - [255, 176, 0]).sum(axis=2).min() < 60
