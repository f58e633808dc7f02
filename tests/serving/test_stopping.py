"""A server that is told to stop answers what is on its way, and waits for nobody else."""

import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from tests.serving.server_process import ServerProcess

ACCEPTED_SECONDS = 0.3
QUESTION = b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server(tmp_path, tiny_bundle):
    environment = {"VIGIE_ENGINE": "onnxruntime"}
    with ServerProcess(tmp_path, "--bundle", str(tiny_bundle), environment=environment) as process:
        process.wait_until_ready()
        yield process


def connection(server):
    address = urlsplit(server.url)
    made = socket.create_connection((address.hostname, address.port), timeout=20)
    time.sleep(ACCEPTED_SECONDS)
    return made


def answer(wire):
    received = b""
    while block := wire.recv(4096):
        received += block
    return received


def test_a_question_on_a_connection_that_was_just_made_is_answered(server):
    with connection(server) as wire:
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        time.sleep(ACCEPTED_SECONDS)
        wire.sendall(QUESTION)
        told = answer(wire)
        stopping.join()
    assert told.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in told.lower()


def test_connections_on_which_nothing_is_asked_hold_nobody_up(server):
    with connection(server) as silent, connection(server) as half:
        half.sendall(QUESTION[:10])
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 10
        assert answer(silent) == b""
