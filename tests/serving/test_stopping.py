"""A server that is told to stop answers what is on its way, and waits for nobody else."""

import asyncio
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
import uvicorn
import uvloop

from serving.connection import ImpatientProtocol
from serving.server import Server
from tests.fakes.certificate import own_certificate
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


async def echo(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})


async def asked_as_it_stops(question: bytes = QUESTION, **tls) -> bytes:
    """The answer to a request on a connection that the loop had no time to accept."""
    listener = socket.create_server(("127.0.0.1", 0))
    protocol = ImpatientProtocol.waiting(5)
    config = uvicorn.Config(echo, http=protocol, lifespan="off", log_config=None, **tls)
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    with socket.create_connection(listener.getsockname(), timeout=20) as wire:
        wire.sendall(question)
        # Nothing was awaited since: the system alone has taken the connection.
        await server.shutdown([listener])
        return await asyncio.to_thread(answer, wire)


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_that_nobody_had_accepted_yet_is_answered(make_loop):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        told = runner.run(asked_as_it_stops())
    assert told.startswith(b"HTTP/1.1 200")
    assert b"here" in told


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_never_agrees_on_tls_does_not_hold_it_up(make_loop, tmp_path):
    chain, key = own_certificate(tmp_path)
    began = time.monotonic()
    with asyncio.Runner(loop_factory=make_loop) as runner:
        told = runner.run(
            asked_as_it_stops(ssl_certfile=str(chain), ssl_keyfile=str(key), question=b"")
        )
    assert told == b""
    assert time.monotonic() - began < 10
