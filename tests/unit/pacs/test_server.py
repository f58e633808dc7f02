import httpx
import pytest

from ml.contract.errors import InputError, Unavailable
from ml.pacs.server import NotAnswered, ask_server
from tests.unit.pacs.findings import PIXELS


def ask(status: int, **content: object):
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json=content))
    with httpx.Client(base_url="http://server", transport=transport) as client:
        return ask_server(
            client, PIXELS, sop_instance_uid="1.2", study="s", scanner=None, review=True
        )


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_a_server_that_cannot_answer_now_is_asked_again_later(status):
    with pytest.raises(Unavailable, match=str(status)):
        ask(status)


@pytest.mark.parametrize(("status", "is_about_the_image"), [(500, True), (503, False)])
def test_a_server_that_fails_at_an_image_is_told_from_one_that_is_away(status, is_about_the_image):
    with pytest.raises(Unavailable) as caught:
        ask(status)
    assert isinstance(caught.value, NotAnswered) == is_about_the_image


def test_a_refused_image_is_refused_with_the_server_s_words():
    with pytest.raises(InputError, match="too small"):
        ask(422, detail="The image is too small.")


def test_a_server_that_is_not_there_is_named():
    with httpx.Client(base_url="http://127.0.0.1:9") as client, pytest.raises(Unavailable):
        ask_server(client, PIXELS, sop_instance_uid="1.2", study="s", scanner=None, review=True)
