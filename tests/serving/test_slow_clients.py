"""Clients that send slowly, against a real server process and a real socket."""

import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.serving.images import png
from tests.serving.server_process import ServerProcess

SECONDS = 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_bundle):
    home = tmp_path_factory.mktemp("slow")
    environment = {
        "VIGIE_BODY_SECONDS": str(SECONDS),
        "VIGIE_HEAD_SECONDS": str(SECONDS),
        "VIGIE_ENGINE": "onnxruntime",
    }
    with ServerProcess(home, "--bundle", str(tiny_bundle), environment=environment) as process:
        process.wait_until_ready()
        yield process


def drip(url: str, path: str) -> bytes:
    """Send a form a few bytes at a time and never end it; return what comes back."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n"
            "Content-Type: multipart/form-data; boundary=B\r\n\r\n--B\r\n"
            'Content-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode()
        )
        connection.settimeout(0.1)
        answer = b""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if not answer:
                    connection.sendall(b"x")
                received = connection.recv(4096)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if not received:
                break
            answer += received
        return answer


@pytest.mark.parametrize("path", ["/predict", "/batch_predict", "/feedback"])
def test_a_body_that_never_ends_gets_a_problem_that_says_what_to_do(server, path):
    started = time.monotonic()
    answer = drip(server.url, path)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer
    assert b"urn:vigie:problem:body-too-slow" in answer
    assert b'"remedy":"Send it again' in answer
    assert time.monotonic() - started >= SECONDS


def test_others_are_answered_meanwhile_and_afterwards(server):
    address = urlsplit(server.url)
    held = [socket.create_connection((address.hostname, address.port)) for _ in range(50)]
    try:
        for connection in held:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n-"
            )
        answer = httpx.post(f"{server.url}/predict", files={"file": png()}, timeout=20)
        assert answer.status_code == 200
    finally:
        for connection in held:
            connection.close()


def until_closed(connection: socket.socket, line: bytes) -> tuple[bytes, float]:
    """Send a line now and then; return what comes back and after how many seconds it ends."""
    started = time.monotonic()
    connection.settimeout(0.1)
    answer = b""
    while time.monotonic() - started < 20:
        try:
            if line:
                connection.sendall(line)
            received = connection.recv(4096)
        except TimeoutError:
            continue
        except ConnectionError:
            break
        if not received:
            break
        answer += received
    return answer, time.monotonic() - started


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"POST /predict HTTP/1.1\r\nHost: x\r\n", b"X-More: 1\r\n"),
        (b"GET /hea", b""),
        (b"", b""),
    ],
    ids=["headers without an end", "half a request line", "nothing at all"],
)
def test_a_connection_that_never_says_what_it_wants_is_closed(server, head, line):
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head)
        answer, seconds = until_closed(connection, line)
    assert answer == b""
    assert SECONDS * 0.9 <= seconds < 10


def test_a_connection_that_is_used_again_must_be_as_quick(server):
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /health/live HTTP/1.1\r\n")
        _, seconds = until_closed(connection, b"X-More: 1\r\n")
    assert SECONDS * 0.9 <= seconds < 10
