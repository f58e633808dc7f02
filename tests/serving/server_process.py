"""A real server process on a free port."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx

_START_SECONDS = 60


class ServerProcess:
    """`python -m serving` with its state under `home`; a context manager that always stops it."""

    def __init__(self, home: Path, *arguments: str, environment: dict[str, str] | None = None):
        self.home = home
        self._arguments = arguments
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = home / "server.log"
        home.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    def start(self) -> None:
        port_file = self.home / "port"
        port_file.unlink(missing_ok=True)
        root = Path(__file__).parents[2]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "serving"),
                    *("--port", "0", "--port-file", str(port_file)),
                    *self._arguments,
                ],
                cwd=root,
                env={**os.environ, "VIGIE_HOME": str(self.home), **self._environment},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not port_file.exists():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{port_file.read_text().strip()}"

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: httpx.get(f"{self.url}/health/ready").status_code == 200)

    def wait_until(self, true: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
        """Wait for what the server should bring about; a failure shows its log."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.log.read_text()[-5000:]
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=30)
        self._process = None
        return code
