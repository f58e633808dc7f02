"""Encrypted associations."""

import socket
import ssl
import time

import pytest

from ml.contract.errors import InvalidParams
from ml.journey.pacs_collect import inbox_of
from ml.pacs.bounds import Bounds
from ml.pacs.peers import Peers
from ml.pacs.receiver import Receiver
from ml.pacs.tls import server_context
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.fakes.certificate import own_certificate
from tests.pacs.senders import RECEIVER, SENDER, association, codes, store
from tests.pacs.studies import study_files

PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")


@pytest.fixture
def ours(tmp_path):
    """The receiver's certificate and key."""
    return own_certificate(tmp_path)


@pytest.fixture
def theirs(tmp_path):
    """A caller's certificate and key."""
    (tmp_path / "caller").mkdir()
    return own_certificate(tmp_path / "caller")


def receiver(workspace, ours, authority=None):
    return Receiver(
        inbox_of(workspace, PARAMS),
        title=RECEIVER,
        address=("127.0.0.1", 0),
        peers=Peers.parse(SENDER),
        bounds=Bounds(object_bytes=1_000_000, pdu_seconds=20),
        tls=server_context(*ours, authority),
    )


def client(ours, own=None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ours[0]))
    if own:
        context.load_cert_chain(*own)
    return context


def test_objects_land_encrypted(workspace, ours):
    with receiver(workspace, ours) as running:
        assert codes(store(running.port, study_files([0, 255]), tls=client(ours))) == [0, 0]
    assert len(list(workspace.landing.rglob("*.dcm"))) == 2


def test_a_caller_without_tls_is_not_understood(workspace, ours):
    with receiver(workspace, ours) as running, association(running.port) as made:
        assert not made.is_established


def test_where_an_authority_is_named_callers_show_a_certificate(workspace, ours, theirs):
    with receiver(workspace, ours, authority=theirs[0]) as running:
        known, stranger = client(ours, theirs), client(ours)
        with association(running.port, tls=stranger) as made:
            assert not made.is_established
        assert codes(store(running.port, study_files([128]), tls=known)) == [0]


def test_a_caller_whose_handshake_does_not_come_keeps_nobody_waiting(workspace, ours):
    with (
        receiver(workspace, ours) as running,
        socket.create_connection(("127.0.0.1", running.port)),
    ):
        began = time.monotonic()
        assert codes(store(running.port, study_files([128]), tls=client(ours))) == [0]
        assert time.monotonic() - began < 10


def test_half_a_certificate_is_refused(ours, tmp_path):
    certificate, key = ours
    assert server_context(None, None, None) is None
    for files in (
        (certificate, None, None),
        (None, key, None),
        (None, None, certificate),
        (certificate, certificate, None),
        (certificate, tmp_path / "absent.pem", None),
        (certificate, key, key),
    ):
        with pytest.raises(InvalidParams, match=r"TLS|certificate"):
            server_context(*files)
