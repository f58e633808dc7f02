"""A real server process on one bundle, started for a while and always stopped.

It holds one end of a pipe to this process, and stops by itself where this one is killed.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from ml.contract.errors import Unavailable

_ROOT = Path(__file__).parents[2]
_POLL_SECONDS = 0.05
_STOP_SECONDS = 20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that is ready; `load_seconds` is from process start to ready."""

    url: str
    load_seconds: float
    process: psutil.Process

    def lives(self) -> bool:
        """Whether the process still runs."""
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE

    def memory_mb(self) -> float:
        """Resident memory of the process and its children, in 10⁶ bytes."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family) / 1e6


@contextmanager
def serving(bundle: Path, *, work_folder: Path, patience: float) -> Iterator[ServerProcess]:
    """Start `python -m serving` on a bundle, wait until it is ready, stop it at the end.

    Args:
        bundle: a folder, or a link that may be pointed elsewhere while the server runs.
        work_folder: takes the server's state and log; nothing else is written.
        patience: seconds to wait for readiness.

    Raises:
        Unavailable: it stopped or was not ready in time; says what it said.
    """
    log = work_folder / "server.log"
    port_file = work_folder / "port"
    port_file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "serving", "--bundle", str(bundle.absolute())),
        *("--host", "127.0.0.1", "--port", "0", "--port-file", str(port_file.resolve())),
        "--until-stdin-ends",
    ]
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=_environment(work_folder),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        url = _wait(process, port_file, log, started + patience)
        yield ServerProcess(url, time.monotonic() - started, psutil.Process(process.pid))
    finally:
        _stop(process)


def _environment(home: Path) -> dict[str, str]:
    # The candidate runs with the defaults and on a state of its own, whatever this process has;
    # its answers are compared with offline ones, so both come from ONNX Runtime.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VIGIE_") and name != "MLFLOW_TRACKING_URI"
    }
    return inherited | {
        "VIGIE_HOME": str(home.resolve()),
        "VIGIE_ENGINE": "onnxruntime",
        "PYTHONUNBUFFERED": "1",
    }


def _wait(process: subprocess.Popen[bytes], port_file: Path, log: Path, deadline: float) -> str:
    said = "nothing"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(
                f"The server stopped with code {process.returncode}: {_last_complaint(log)}",
                remedy="Export the bundle again.",
            )
        if port_file.is_file():
            url = f"http://127.0.0.1:{int(port_file.read_text())}"
            try:
                answer = httpx.get(f"{url}/health/ready", timeout=5)
            except httpx.HTTPError as error:
                said = type(error).__name__
            else:
                if answer.status_code == httpx.codes.OK:
                    return url
                said = answer.text
        time.sleep(_POLL_SECONDS)
    raise Unavailable(
        f"The server was not ready in time; its health said {said}.",
        remedy="Raise gates.load_seconds if the machine is slow.",
    )


def _last_complaint(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    complaints = [line for line in lines if " ERROR " in line]
    return (complaints or lines or ["it said nothing"])[-1]


def _stop(process: subprocess.Popen[bytes]) -> None:
    with process:  # closes the pipe
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _logger.warning("The server did not stop in %d s and is killed", _STOP_SECONDS)
            process.kill()
