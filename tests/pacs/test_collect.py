"""Studies of a real Orthanc land, by its REST interface and by DICOMweb."""

import logging
from datetime import UTC, datetime

import pytest
from pydicom.uid import generate_uid

from ml.contract.decoding import decode
from ml.contract.errors import InvalidParams
from ml.journey.pacs_answer import answer
from ml.journey.pacs_collect import collect
from ml.pacs.address import ArchiveAddress
from ml.pacs.orthanc import Orthanc
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.pacs.orthanc_process import BINARY, CREDENTIALS, DICOMWEB, OrthancProcess
from tests.pacs.studies import as_file, identifiers, read, study_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("orthanc"),
    pytest.mark.skipif(BINARY is None, reason="needs Orthanc (Debian package `orthanc`)"),
]
PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")

needs_dicomweb = pytest.mark.skipif(
    not DICOMWEB.is_file(), reason="needs Orthanc's plugin (Debian package `orthanc-dicomweb`)"
)


BOTH = pytest.mark.parametrize(
    "address", ["orthanc", pytest.param("dicomweb", marks=needs_dicomweb)], indirect=True
)
"""In the archive's own language and in the standard's."""


@pytest.fixture
def address(request, orthanc, monkeypatch):
    if getattr(request, "param", "orthanc") == "orthanc":
        return ArchiveAddress(orthanc=orthanc.url, credentials=CREDENTIALS)
    # What the feed waits for is shown without a clock in tests/unit/pacs.
    monkeypatch.setattr("ml.pacs.dicomweb_feed.QUIET_SECONDS", 0)
    return ArchiveAddress(dicomweb=orthanc.dicomweb_url, credentials=CREDENTIALS)


def look(workspace, address, **options):
    """A round; by DICOMweb the one before it counts what there is."""
    if address.dicomweb:
        collect(workspace, PARAMS, address, at_most=0)
    return collect(workspace, PARAMS, address, **options)


def dated(files: list[bytes]) -> list[bytes]:
    """Of today, as DICOMweb looks for them."""
    datasets = [read(file) for file in files]
    for dataset in datasets:
        dataset.StudyDate = f"{datetime.now(UTC):%Y%m%d}"
    return [as_file(dataset).getvalue() for dataset in datasets]


def landed(workspace) -> list[bytes]:
    return [path.read_bytes() for path in workspace.landing.rglob("*.dcm")]


def pixels_of(files: list[bytes]) -> list[bytes]:
    return sorted(decode(file).pixels.tobytes() for file in files)


@BOTH
def test_a_study_lands_once_without_identifiers(workspace, orthanc, address, caplog):
    caplog.set_level(logging.DEBUG)
    sent = dated(study_files([0, 128, 255]))
    orthanc.send(sent)
    seen = look(workspace, address)
    assert (seen.studies, seen.landed, seen.known, seen.refused) == (1, 3, 0, 0)
    assert pixels_of(landed(workspace)) == pixels_of(sent)
    assert look(workspace, address).studies == 0
    kept = [path for path in workspace.home.rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in kept) + str(kept).encode()
    for planted in identifiers(sent):
        assert planted.encode() not in everything
        assert planted not in caplog.text


def test_images_that_came_later_land_and_reports_and_captures_do_not(
    workspace, orthanc, address, server
):
    study = generate_uid()
    first, second = dated(study_files([0], study=study)), dated(study_files([255], study=study))
    orthanc.send(first)
    look(workspace, address)
    answer(
        workspace,
        PARAMS,
        ArchiveAddress(orthanc=orthanc.url, credentials=CREDENTIALS),
        server_url=server.url,
    )
    orthanc.send(second)
    seen = look(workspace, address)
    assert (seen.landed, seen.known) == (1, 1)
    assert pixels_of(landed(workspace)) == pixels_of(first + second)


def test_a_round_that_was_interrupted_is_repeated_without_doubles(
    workspace, orthanc, address, monkeypatch
):
    sent = dated(study_files([0, 128, 255]))
    orthanc.send(sent)
    fetch, fetched = Orthanc.file, []

    def cut_off_at_the_second(archive, instance):
        fetched.append(instance)
        if len(fetched) == 2:
            raise KeyboardInterrupt
        return fetch(archive, instance)

    monkeypatch.setattr(Orthanc, "file", cut_off_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        look(workspace, address)
    assert len(landed(workspace)) == 1
    seen = look(workspace, address)
    assert (seen.landed, seen.known) == (2, 1)
    assert len(fetched) == 4
    assert pixels_of(landed(workspace)) == pixels_of(sent)


@BOTH
def test_a_first_look_at_many_studies_proceeds_in_rounds(workspace, orthanc, address):
    for seed in range(5):
        orthanc.send(dated(study_files([128], seed=seed)), wait=seed == 4)
    rounds = [look(workspace, address, at_most=2).studies for _ in range(4)]
    assert rounds == [2, 2, 1, 0]
    assert len(landed(workspace)) == 5


def test_what_does_not_land_is_told_and_the_rest_of_the_study_lands(
    workspace, orthanc, address, caplog
):
    good, bad = dated(study_files([0, 128]))
    broken = read(bad)
    del broken.Rows
    orthanc.send([good, as_file(broken).getvalue()])
    seen = look(workspace, address)
    assert (seen.studies, seen.landed, seen.refused) == (1, 1, 1)
    assert "does not land" in caplog.text


def test_a_study_that_was_not_yet_stable_when_orthanc_was_restarted_lands(workspace, tmp_path):
    """Orthanc forgets what it was waiting for, and never says that the study is stable."""
    with OrthancProcess(tmp_path / "slow", stable_age=30) as orthanc:
        address = ArchiveAddress(orthanc=orthanc.url, credentials=CREDENTIALS)
        orthanc.send(study_files([128]), wait=False)
        assert collect(workspace, PARAMS, address).studies == 0
        orthanc.restart()
        assert collect(workspace, PARAMS, address).landed == 1


def test_an_archive_that_was_set_up_anew_is_looked_at_from_its_beginning(workspace, orthanc):
    address = ArchiveAddress(orthanc=orthanc.url, credentials=CREDENTIALS)
    orthanc.send(study_files([0, 128, 255]))
    collect(workspace, PARAMS, address)
    orthanc.restart(empty=True)
    collect(workspace, PARAMS, address)
    orthanc.send(study_files([64]))
    assert collect(workspace, PARAMS, address).landed == 1


@needs_dicomweb
def test_a_study_is_answered_by_dicomweb_alone(workspace, orthanc, server, monkeypatch):
    monkeypatch.setattr("ml.pacs.dicomweb_feed.QUIET_SECONDS", 0)
    address = ArchiveAddress(dicomweb=orthanc.dicomweb_url, credentials=CREDENTIALS)
    orthanc.send(dated(study_files([255])))
    for expected in (0, 1, 0):
        seen = answer(workspace, PARAMS, address, server_url=server.url)
        assert seen.studies == expected
    kinds = sorted(item.Modality for item in orthanc.objects())
    assert kinds == ["OT", "SR", "US"]


def test_one_archive_is_asked_for(workspace):
    with pytest.raises(InvalidParams, match="no picture archive"):
        collect(workspace, PARAMS, ArchiveAddress())
    with pytest.raises(InvalidParams, match="Two addresses"):
        collect(workspace, PARAMS, ArchiveAddress(orthanc="http://a", dicomweb="http://b"))
