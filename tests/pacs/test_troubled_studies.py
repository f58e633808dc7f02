"""A study that cannot be dealt with, and the one behind it: real archive, real server."""

import io
from datetime import timedelta
from types import SimpleNamespace

import pytest
from PIL import Image
from pydicom.config import disable_value_validation
from pydicom.uid import ComprehensiveSRStorage

from ml.contract.decoding import decode
from ml.contract.errors import Unavailable
from ml.journey.pacs_answer import answer
from ml.journey.pacs_collect import collect
from ml.pacs.address import ArchiveAddress
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.pacs.faulty_proxy import Fault, FaultyProxy
from tests.pacs.orthanc_process import BINARY, CREDENTIALS
from tests.pacs.studies import identifiers, read, study_files
from tests.serving.images import BENIGN, MALIGNANT, NORMAL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("orthanc"),
    pytest.mark.skipif(BINARY is None, reason="needs Orthanc (Debian package `orthanc`)"),
]
PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")


@pytest.fixture
def site(workspace, orthanc, server):
    """An archive and a server that fail where they are told to, and a study with another behind."""
    troubled, other = study_files([NORMAL, BENIGN]), study_files([MALIGNANT], seed=2)
    with FaultyProxy(orthanc.url) as archive, FaultyProxy(server.url) as answering:
        address = ArchiveAddress(orthanc=archive.url, credentials=CREDENTIALS)

        def answer_when_stable():
            orthanc.wait_until_stable()  # captures that were stored before a failure are news
            return answer(workspace, PARAMS, address, server_url=answering.url)

        yield SimpleNamespace(
            archive=archive,
            answering=answering,
            troubled=troubled,
            other=other,
            send=lambda: orthanc.send([*troubled, *other]),
            answer=answer_when_stable,
            collect=lambda: collect(workspace, PARAMS, address),
            reports=lambda: {
                item.StudyInstanceUID: item
                for item in orthanc.objects()
                if item.SOPClassUID == ComprehensiveSRStorage
            },
        )


@pytest.fixture
def impatient(monkeypatch):
    """Pauses are over, and each further attempt is the last."""
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    monkeypatch.setattr("ml.pacs.place._PATIENCE", timedelta(0))


def study_of(files: list[bytes]) -> str:
    return str(read(files[0]).StudyInstanceUID)


def as_sent_to_server(file: bytes) -> bytes:
    content = io.BytesIO()
    Image.fromarray(decode(file).pixels).save(content, "PNG")
    return content.getvalue()


def refused_object(site, status: int) -> None:
    about = study_of(site.troubled).encode()
    site.archive.faults = [Fault("POST /instances", about, status)]


def broken_off_object(site) -> None:
    about = str(read(site.troubled[1]).SOPInstanceUID).encode()
    site.archive.faults = [Fault("GET /instances/[^/]+/file", about)]


def failing_server(site, *files: bytes, status: int = 500) -> None:
    site.answering.faults = [
        Fault("POST /predict", as_sent_to_server(file), status) for file in files
    ]


CAUSES = {
    "archive refuses its report (400)": lambda site: refused_object(site, 400),
    "archive refuses its report (404)": lambda site: refused_object(site, 404),
    "archive refuses its report (409)": lambda site: refused_object(site, 409),
    "an object breaks off": broken_off_object,
    "server fails at an image": lambda site: failing_server(site, site.troubled[0]),
}


@pytest.mark.parametrize("cause", list(CAUSES))
def test_the_study_behind_one_that_fails_is_answered_and_the_failed_one_later(
    site, caplog, monkeypatch, cause
):
    CAUSES[cause](site)
    site.send()
    seen = site.answer()
    assert (seen.studies, seen.failed) == (1, 1)
    assert set(site.reports()) == {study_of(site.other)}
    assert "A study is tried again later" in caplog.text
    for planted in identifiers(site.troubled):
        assert planted not in caplog.text
    assert site.answer().failed == 0  # it rests
    site.archive.faults = site.answering.faults = []
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    assert site.answer().failed == 0
    assert site.reports()[study_of(site.troubled)].CompletionFlag == "COMPLETE"


@pytest.mark.parametrize("cause", ["an object breaks off", "server fails at an image"])
def test_after_a_day_a_study_is_answered_without_the_image_that_fails(site, impatient, cause):
    CAUSES[cause](site)
    site.send()
    assert site.answer().failed == 1
    seen = site.answer()
    assert (seen.images, seen.refused, seen.failed) == (1, 1, 0)
    assert site.reports()[study_of(site.troubled)].CompletionFlag == "PARTIAL"


def test_a_server_that_fails_at_all_of_a_study_is_asked_again_even_after_a_day(site, impatient):
    failing_server(site, *site.troubled)
    site.send()
    assert site.answer().failed == 1
    assert site.answer().failed == 1
    site.answering.faults = []
    assert site.answer().images == 2


@pytest.mark.parametrize("fault", [{"PatientSex": "U"}, {"PatientBirthDate": "00000000"}])
def test_a_sex_or_a_date_that_is_none_is_no_reason_for_no_report(workspace, orthanc, server, fault):
    with disable_value_validation():  # as devices do
        troubled = study_files([NORMAL], **fault)
    orthanc.send([*troubled, *study_files([MALIGNANT], seed=2)])
    address = ArchiveAddress(orthanc=orthanc.url, credentials=CREDENTIALS)
    seen = answer(workspace, PARAMS, address, server_url=server.url)
    assert (seen.studies, seen.failed) == (2, 0)
    ((name, value),) = fault.items()
    found = sorted(
        (item.Modality, item[name].value or "")
        for item in orthanc.objects()
        if item.StudyInstanceUID == study_of(troubled)
    )
    assert found == [("OT", ""), ("SR", ""), ("US", value)]


def test_the_study_behind_one_whose_object_breaks_off_lands(site):
    broken_off_object(site)
    site.send()
    seen = site.collect()
    assert (seen.studies, seen.landed, seen.failed) == (1, 2, 1)


def test_a_server_that_is_away_ends_the_round(site):
    failing_server(site, *site.troubled, *site.other, status=503)
    site.send()
    with pytest.raises(Unavailable, match="503"):
        site.answer()


def test_a_server_that_is_away_ends_the_round_where_one_study_is_due(site, orthanc):
    failing_server(site, *site.other, status=503)
    orthanc.send(site.other)
    with pytest.raises(Unavailable, match="503"):
        site.answer()


def test_a_study_that_no_report_can_be_made_of_is_given_up_after_a_day(
    site, impatient, monkeypatch, caplog
):
    def defect(*_, **__):
        raise ValueError(identifiers(site.troubled))

    site.send()
    monkeypatch.setattr("ml.pacs.report.build_report", defect)
    seen = [site.answer() for _ in range(3)]
    assert [(item.failed, item.given_up) for item in seen] == [(2, 0), (0, 2), (0, 0)]
    assert "A study is given up: ValueError." in caplog.text
    for planted in identifiers(site.troubled):
        assert planted not in caplog.text
