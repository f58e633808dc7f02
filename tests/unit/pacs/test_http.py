import httpx
import pytest

from ml.contract.errors import ImageTooLarge, NotFound, Unavailable
from ml.pacs.archive import Instance, NotGiven
from ml.pacs.orthanc import Orthanc
from tests.fakes.scripted_server import Reply, scripted
from tests.unit.pacs.archives import orthanc

IMAGE = Instance("name", "1.2", "1.2.3", "US", "")


def answering(status: int, **content):
    return orthanc(lambda request: httpx.Response(status, **content))


@pytest.mark.parametrize("status", [401, 403, 429, 502, 503])
def test_an_archive_that_refuses_everything_is_asked_again_later(status):
    with pytest.raises(Unavailable) as caught:
        answering(status).file(IMAGE)
    assert not isinstance(caught.value, NotGiven)


@pytest.mark.parametrize("status", [400, 406, 415, 500])
def test_an_archive_that_fails_at_one_object_is_told_from_one_that_is_away(status):
    with pytest.raises(NotGiven, match=str(status)):
        answering(status).file(IMAGE)
    with pytest.raises(Unavailable, match=str(status)) as caught:
        answering(status).is_stable("study")
    assert not isinstance(caught.value, NotGiven)


@pytest.mark.parametrize("status", [404, 410])
def test_what_was_deleted_is_not_found(status):
    with pytest.raises(NotFound):
        answering(status).file(IMAGE)


def test_where_nothing_can_be_stored_nothing_was_deleted():
    with pytest.raises(Unavailable, match="404 to a POST"):
        answering(404).store(b"an object")


def test_an_object_that_breaks_off_is_told_from_an_archive_that_is_away():
    def half():
        yield b"half"
        raise httpx.ReadError("The connection of a patient's name was lost.")

    with pytest.raises(NotGiven, match=r"broke off an object: ReadError\.$"):
        answering(200, content=half()).file(IMAGE)


def test_an_object_is_read_no_further_than_the_limit():
    read = []

    def endless():
        while True:
            read.append(1)
            yield b"\0" * 100

    with pytest.raises(ImageTooLarge, match="more than 1,000 bytes"):
        answering(200, content=endless()).file(IMAGE)
    assert len(read) < 20


def test_an_archive_that_is_not_there_is_named_without_its_paths():
    with (
        Orthanc("http://127.0.0.1:9", None, max_bytes=1) as archive,
        pytest.raises(Unavailable, match="does not answer: ConnectError") as caught,
    ):
        archive.file(IMAGE)
    assert caught.value.__suppress_context__


DROPPED = Reply(status=None)


def test_a_connection_that_the_archive_closed_meanwhile_is_opened_again():
    with (
        scripted(DROPPED, Reply(content={"IsStable": True}), DROPPED, Reply()) as server,
        Orthanc(server.url, None, max_bytes=1) as archive,
    ):
        assert archive.is_stable("study")
        archive.store(b"an object")
        assert server.bodies[-2:] == [b"an object"] * 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("first", [[], [DROPPED]], ids=["at once", "after a dropped connection"])
def test_an_archive_that_says_when_to_come_again_is_asked_once_and_told_at_once(status, first):
    later = Reply(status, headers={"Retry-After": "1"})
    with (
        scripted(*first, later) as server,
        Orthanc(server.url, None, max_bytes=1) as archive,
        pytest.raises(Unavailable, match=str(status)),
    ):
        archive.is_stable("study")
    assert len(server.requests) == len(first) + 1


def test_an_archive_that_drops_every_connection_is_away():
    with (
        scripted(DROPPED) as server,
        Orthanc(server.url, None, max_bytes=1) as archive,
        pytest.raises(Unavailable, match="RemoteProtocolError"),
    ):
        archive.is_stable("study")
    assert 1 < len(server.requests) < 10
