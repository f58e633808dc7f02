"""Callers that are slow, lie about lengths or break the protocol cost little and end soon."""

import socket
import struct
import threading
import time

import psutil
import pytest
from pydicom.uid import UltrasoundImageStorage
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from ml.journey.pacs_collect import inbox_of
from ml.pacs.bounds import Bounds
from ml.pacs.peers import Peers
from ml.pacs.receiver import Receiver
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.pacs.senders import RECEIVER, SENDER, association, codes, store
from tests.pacs.studies import read, study_files

# pynetdicom's thread ends with an error where an answer is due after the connection was cut off.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")
PDU_SECONDS, IDLE_SECONDS, OBJECT_SECONDS = 0.5, 1.0, 1.0
SOON = 3.0
P_DATA = 4


@pytest.fixture
def listening(workspace):
    """Whatever was done to it: it still takes objects, and no thread of a caller is left."""
    with Receiver(
        inbox_of(workspace, PARAMS),
        title=RECEIVER,
        address=("127.0.0.1", 0),
        peers=Peers.parse(SENDER),
        bounds=Bounds(
            object_bytes=100_000,
            pdu_seconds=PDU_SECONDS,
            idle_seconds=IDLE_SECONDS,
            object_seconds=OBJECT_SECONDS,
            associations=2,
        ),
    ) as running:
        yield running
        until(lambda: not callers())
        assert codes(store(running.port, study_files([128]))) == [0]


def until(true) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def callers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "AcceptorThread" in thread.name]


def connection(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=2 * SOON)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def pdu(kind: int, content: bytes, *, length: int | None = None) -> bytes:
    return struct.pack(">BBL", kind, 0, len(content) if length is None else length) + content


def data(flags: int, content: bytes, *, context: int = 1) -> bytes:
    """A P-DATA-TF PDU with one part; flag 1 is a command's, flag 2 the last of its kind."""
    part = struct.pack(">LBB", len(content) + 2, context, flags) + content
    return pdu(P_DATA, part)


def store_command() -> bytes:
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UltrasoundImageStorage, "1.2.3"
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    message.command_set.CommandDataSetType = 1
    (first,) = [
        content
        for part in message.encode_msg(1, 10_000)
        for _, content in part.presentation_data_value_list
    ]
    return first[1:]


def wire_of(made: Association) -> socket.socket:
    """A handle of one's own on the connection: pynetdicom's thread closes its own when it likes."""
    return made.dul.socket.socket.dup()


def cut_off(wire: socket.socket, block: bytes, pause: float = 0.0) -> bool:
    """Whether the other side ends the connection while this is sent over and over."""
    deadline = time.monotonic() + SOON
    try:
        while time.monotonic() < deadline:
            wire.sendall(block)
            time.sleep(pause)
    except OSError:
        return True
    return False


def ends(wire: socket.socket) -> float:
    """Seconds until the other side has closed the connection, whatever it says before."""
    began = time.monotonic()
    try:
        while wire.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\x01",
        pdu(1, b"half", length=1000),
        pdu(1, b"", length=2**32 - 1),
        pdu(P_DATA, b"\0" * 100),
        b"GET / HTTP/1.1\r\n\r\n",
        pdu(1, b"\xff" * 200),
    ],
    ids=[
        "silence",
        "one byte",
        "half a request",
        "a PDU of 4 GB",
        "data before a request",
        "another protocol",
        "a malformed request",
    ],
)
def test_a_connection_that_asks_for_nothing_ends(listening, first):
    with connection(listening.port) as wire:
        wire.sendall(first)
        assert ends(wire) < SOON


def test_a_look_whether_the_port_is_open_keeps_nothing_waiting(workspace):
    """As health checks do, every few seconds."""
    with Receiver(
        inbox_of(workspace, PARAMS),
        title=RECEIVER,
        address=("127.0.0.1", 0),
        peers=Peers.parse(SENDER),
        bounds=Bounds(object_bytes=100_000),
    ) as usual:
        for _ in range(20):
            connection(usual.port).close()
        until(lambda: not callers())


def test_a_request_that_drips_in_ends(listening):
    with connection(listening.port) as wire:
        wire.sendall(pdu(1, b"", length=1000))
        assert cut_off(wire, b"\0", pause=0.05)


def test_more_connections_than_can_become_associations_are_closed_at_once(listening):
    most, wires = 0, []
    for _ in range(30):
        wires.append(connection(listening.port))
        most = max(most, len(callers()))
    assert most <= 10
    for wire in wires:
        wire.close()


def test_an_association_without_data_ends(listening):
    with association(listening.port) as made, wire_of(made) as wire:
        assert ends(wire) < SOON


@pytest.mark.parametrize(
    "parts",
    [
        [data(3, b"")],
        [data(3, b"\0" * 50)],
        [data(2, b"an object that nobody announced")],
        [data(3, store_command(), context=99), data(2, b"x", context=99)],
        [data(1, b"\0" * 10_000)] * 4,
        [pdu(P_DATA, b"", length=2**30)],
        [pdu(P_DATA, struct.pack(">LBB", 2**31, 1, 3))],
        [pdu(P_DATA, b"\0")],
        [data(3, store_command()) + data(2, b"x") for _ in range(40)],
    ],
    ids=[
        "an empty command",
        "a command of zeros",
        "an object without a command",
        "a context that was not agreed upon",
        "a command without end",
        "a PDU of 1 GB",
        "a part that is longer than its PDU",
        "half a part",
        "commands that wait for no answer",
    ],
)
def test_whoever_breaks_the_protocol_is_cut_off(listening, parts):
    with association(listening.port) as made, wire_of(made) as wire:
        try:
            for part in parts:
                wire.sendall(part)
        except OSError:
            pass
        assert ends(wire) < SOON


def test_an_object_that_does_not_end_is_cut_off_and_kept_in_no_memory(listening):
    before = psutil.Process().memory_info().rss
    with association(listening.port) as made, wire_of(made) as wire:
        wire.sendall(data(3, store_command()))
        assert cut_off(wire, data(0, b"\0" * 100_000))
        assert psutil.Process().memory_info().rss - before < 50e6


def test_an_object_that_is_broken_off_leaves_nothing(workspace, listening):
    with connection(listening.port), association(listening.port) as made, wire_of(made) as wire:
        wire.sendall(data(3, store_command()) + data(0, b"half an object"))
        made.abort()
    assert [path for path in workspace.landing.rglob("*") if path.is_file()] == []


def test_what_is_no_data_set_is_refused_and_the_association_goes_on(listening, caplog):
    with association(listening.port) as made:
        garbage = data(3, store_command()) + data(2, b"\xff" * 500)
        made.dul.socket.socket.sendall(garbage)
        time.sleep(0.2)
        assert made.send_c_store(read(study_files([128])[0])).Status == 0
    until(lambda: "1 landed, 1 refused (1 no-pixel-data)" in caplog.text)
