"""The real server on a finished journey, as its own process."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.e2e.conftest import Journey


@contextmanager
def serving(journey: Journey, log: Path) -> Iterator[str]:
    """Start `vigie serve`, give its address once it is ready, and end it.

    Args:
        log: gets what the server prints.
    """
    port = _free_port()
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ml.cli", "serve", "--port", str(port)],
            env={"VIGIE_ENGINE": "onnxruntime"} | journey.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        for child in [*children, psutil.Process(process.pid)]:
            child.terminate()
        psutil.wait_procs(children, timeout=20)
        process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise AssertionError(log.read_text())
