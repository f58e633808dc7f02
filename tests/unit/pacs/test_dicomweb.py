from datetime import date

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract.errors import Unavailable
from ml.pacs.archive import Instance, NotGiven
from tests.unit.pacs.archives import dicomweb

IMAGE = Instance("/studies/1/series/2/instances/3", "1", "3", "US", "")
BOUNDARY = "b" * 70


def study(uid: str, instances: int | None = 1) -> dict:
    found = {"0020000D": {"vr": "UI", "Value": [uid]}}
    return found | ({"00201208": {"vr": "IS", "Value": [instances]}} if instances else {})


def pages(uids, *, at_once, honours_offset=True):
    """An archive that gives so many at once, whatever it is asked for."""

    def answer(request):
        start = int(request.url.params["offset"]) if honours_offset else 0
        found = [study(uid) for uid in uids[start : start + at_once]]
        return httpx.Response(200, json=found) if found else httpx.Response(204)

    return dicomweb(answer)


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_all_pages_are_read_whatever_their_length(at_once):
    uids = [f"1.{number}" for number in range(20)]
    found = list(pages(uids, at_once=at_once).studies(date(2026, 1, 1), date(2026, 1, 2)))
    assert found == [(uid, 1) for uid in uids]


def test_an_archive_that_gives_the_same_page_for_ever_is_read_once():
    archive = pages(["1.1", "1.2"], at_once=2, honours_offset=False)
    assert len(list(archive.studies(date(2026, 1, 1), date(2026, 1, 2)))) == 2


def test_the_window_is_asked_for_as_dates():
    asked = []

    def answer(request):
        asked.append(request.url.params["StudyDate"])
        return httpx.Response(200, json=[])

    assert list(dicomweb(answer).studies(date(2026, 1, 1), date(2026, 2, 3))) == []
    assert asked == ["20260101-20260203"]


def test_a_study_without_a_count_says_so():
    archive = dicomweb(
        lambda request: httpx.Response(
            200, json=[] if request.url.params["offset"] != "0" else [study("1.1", None)]
        )
    )
    assert list(archive.studies(date(2026, 1, 1), date(2026, 1, 1))) == [("1.1", None)]


def multipart(*parts: bytes, start=b"", end=b"--") -> httpx.Response:
    body = start
    for part in parts:
        body += f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body += part + b"\r\n"
    kind = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
    body += f"--{BOUNDARY}".encode() + end
    return httpx.Response(200, headers={"Content-Type": kind}, content=body)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\r\n"]))
def test_a_file_is_the_part_s_bytes_whatever_they_are(file, start):
    assert dicomweb(lambda request: multipart(file, start=start)).file(IMAGE) == file


def test_an_archive_that_gives_the_bare_file_is_understood():
    kind = {"Content-Type": "application/dicom"}
    archive = dicomweb(lambda request: httpx.Response(200, headers=kind, content=b"DICM"))
    assert archive.file(IMAGE) == b"DICM"


def test_an_answer_that_ends_early_gives_no_object():
    with pytest.raises(NotGiven, match="ended early"):
        dicomweb(lambda request: multipart(b"half", end=b"")).file(IMAGE)


@pytest.mark.parametrize("content", [b"no multipart", b""])
def test_an_answer_without_a_file_is_told(content):
    kind = {"Content-Type": f"multipart/related; boundary={BOUNDARY}"}
    with pytest.raises(Unavailable):
        dicomweb(lambda request: httpx.Response(200, headers=kind, content=content)).file(IMAGE)


def failed(reason: int) -> dict:
    return {"00081198": {"Value": [{"00081197": {"Value": [reason]}}]}}


def test_what_is_there_already_counts_as_stored():
    dicomweb(lambda request: httpx.Response(409, json=failed(0x0111))).store(b"file")
    dicomweb(lambda request: httpx.Response(200)).store(b"file")


@pytest.mark.parametrize("status", [200, 202, 409])
def test_what_the_archive_did_not_store_is_told(status):
    with pytest.raises(Unavailable, match="did not store"):
        dicomweb(lambda request: httpx.Response(status, json=failed(0xA700))).store(b"file")
