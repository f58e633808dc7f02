import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.errors import InvalidParams
from ml.pacs.peers import Peers, check_exposure, checked_title


def test_titles_may_be_tied_to_an_address_or_a_network():
    peers = Peers.parse(" CT1 , US2@10.0.0.7,US2@10.9.0.0/16 ,MR@2001:db8::/32")
    assert peers.titles == ["CT1", "MR", "US2"]
    assert peers.admit("CT1", "192.0.2.1")
    assert peers.admit("US2", "10.0.0.7")
    assert peers.admit("US2", "10.9.8.7")
    assert not peers.admit("US2", "10.0.0.8")
    assert peers.admit("MR", "2001:db8::1")
    assert not peers.admit("XA", "10.0.0.7")


def test_an_ipv4_caller_is_known_on_an_ipv6_socket_too():
    assert Peers.parse("CT1@10.0.0.7").admit("CT1", "::ffff:10.0.0.7")


def test_without_a_list_everybody_is_admitted():
    assert Peers.parse(" , ").admit("ANY", "192.0.2.1")


@pytest.mark.parametrize(
    "text",
    [
        "CT1@nowhere",
        "CT1@10.0.0.300",
        "CT1@",
        "@10.0.0.1",
        "ABCDEFGHIJKLMNOPQ",
        "A\\B",
        "É",
        "A\tB",
    ],
)
def test_what_is_no_title_or_no_address_is_refused(text):
    with pytest.raises(InvalidParams) as caught:
        Peers.parse(text)
    assert caught.value.remedy


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_by_name(text):
    try:
        peers = Peers.parse(text)
    except InvalidParams:
        return
    assert all(checked_title(title) == title for title in peers.titles)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_alone_needs_no_list(host):
    check_exposure(host, Peers.parse(""))


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1"])
def test_beyond_this_machine_a_list_is_needed(host):
    with pytest.raises(InvalidParams, match="Anybody in the network"):
        check_exposure(host, Peers.parse(""))
    check_exposure(host, Peers.parse("CT1"))


def test_an_address_that_is_none_is_named():
    with pytest.raises(InvalidParams, match="no address of this machine"):
        check_exposure("no.such.host.invalid", Peers.parse("CT1"))
