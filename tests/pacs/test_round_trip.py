"""From the hospital and back: sent, landed, ingested, answered, reported."""

import pytest
from highdicom.sr import srread
from pydicom.uid import ComprehensiveSRStorage

from ml.journey.ingest import ingest_shard, merge, plan
from ml.journey.pacs_answer import answer
from ml.journey.pacs_collect import collect
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.pacs.address import ArchiveAddress
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.pacs.orthanc_process import BINARY, CREDENTIALS, OrthancProcess
from tests.pacs.receiver_process import ReceiverProcess
from tests.pacs.senders import RECEIVER, codes, store
from tests.pacs.studies import as_file, identifiers, read, study_files
from tests.serving.images import BENIGN, MALIGNANT, NORMAL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("orthanc"),
    pytest.mark.skipif(BINARY is None, reason="needs Orthanc (Debian package `orthanc`)"),
]
PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")
ORTHANC = "ORTHANC"


def ingest(workspace: Workspace):
    """The stages of `vigie_ingest` up to the manifest."""
    batch = plan(workspace, PARAMS)
    for index in range(batch.shards):
        ingest_shard(workspace, PARAMS, batch.batch_id, index)
    merge(workspace, batch.batch_id)
    return validate(workspace, PARAMS, batch.batch_id)


def contents(*folders) -> bytes:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files) + "\n".join(map(str, files)).encode()


def test_studies_are_landed_ingested_answered_and_reported(tmp_path, server, caplog):
    """One goes by the archive, one is sent to us, one is passed on to us by the archive."""
    caplog.set_level("DEBUG")
    home = tmp_path / "home"
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    by_archive = study_files([NORMAL, MALIGNANT])
    directly, passed_on = study_files([BENIGN], seed=5), study_files([BENIGN], seed=6)
    with (
        ReceiverProcess(home, peers=f"SENDER, {ORTHANC}@127.0.0.1") as receiver,
        OrthancProcess(
            tmp_path / "orthanc",
            modalities={"vigie": (RECEIVER, "127.0.0.1", receiver.port)},
        ) as orthanc,
    ):
        # Sent by C-STORE, as a modality does it: to the archive, and to us.
        archive = {"called": ORTHANC, "title": "MODALITY"}
        assert codes(store(orthanc.dicom_port, by_archive + passed_on, **archive)) == [0, 0, 0]
        assert codes(store(receiver.port, directly)) == [0]
        caplog.clear()  # what senders log is theirs
        orthanc.wait_until_stable()
        with orthanc.client() as client:
            (name,) = [
                study["ID"]
                for study in client.get("/studies?expand").json()
                if study["MainDicomTags"]["StudyInstanceUID"] == read(passed_on[0]).StudyInstanceUID
            ]
            client.post("/modalities/vigie/store", content=name).raise_for_status()
        address = ArchiveAddress(orthanc=orthanc.url, credentials=CREDENTIALS)
        seen = collect(workspace, PARAMS, address)
        assert (seen.landed, seen.known) == (2, 1)  # what was passed on had landed

        report = ingest(workspace)
        assert (report.rows, report.accepted, report.unlabelled) == (4, 4, 4)

        answered = answer(workspace, PARAMS, address, server_url=server.url)
        assert (answered.studies, answered.images) == (2, 3)
        stored = [item for item in orthanc.objects() if item.SOPClassUID == ComprehensiveSRStorage]
        assert receiver.stop() == 0

    assert {item.StudyInstanceUID for item in stored} == {
        read(by_archive[0]).StudyInstanceUID,
        read(passed_on[0]).StudyInstanceUID,
    }
    groups = [
        group
        for item in stored
        for group in srread(as_file(item)).content.get_image_measurement_groups()
    ]
    assert sorted(group.finding_type.meaning for group in groups) == [
        "Benign",
        "Malignant",
        "Normal",
    ]
    kept = contents(home, server.home) + receiver.log.read_bytes()
    for planted in identifiers(by_archive + directly + passed_on):
        assert planted.encode() not in kept
        assert planted not in caplog.text
