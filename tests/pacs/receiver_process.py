"""`vigie receive` as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from ml.settings import PROJECT_ROOT
from tests.pacs.orthanc_process import free_port
from tests.pacs.senders import RECEIVER, SENDER

_PATIENCE = 60


class ReceiverProcess:
    """Started on entering; killed on leaving. Its port stays the same over restarts."""

    def __init__(self, home: Path, *, peers: str = SENDER) -> None:
        self.port = free_port()
        self.log = home.parent / "receiver.log"
        self._environment = {
            **os.environ,
            "VIGIE_HOME": str(home),
            "VIGIE_PROFILE": "demo",
            "VIGIE_AE_TITLE": RECEIVER,
            "VIGIE_DICOM_PORT": str(self.port),
            "VIGIE_DICOM_PEERS": peers,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ml.cli", "receive"],
                cwd=PROJECT_ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._listens():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
