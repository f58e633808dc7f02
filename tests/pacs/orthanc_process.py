"""A real Orthanc on a free port, with a folder of its own."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx

BINARY = shutil.which("Orthanc")
CREDENTIALS = ("vigie", "a password of the test")
_PATIENCE = 60


class OrthancProcess:
    """Started on entering; killed and forgotten on leaving."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        http, dicom = _free_port(), _free_port()
        settings = self._folder / "orthanc.json"
        settings.write_text(
            json.dumps(
                {
                    "Name": "test",
                    "StorageDirectory": str(self._folder / "storage"),
                    "IndexDirectory": str(self._folder / "storage"),
                    "HttpPort": http,
                    "DicomPort": dicom,
                    "RemoteAccessAllowed": False,
                    "AuthenticationEnabled": True,
                    "RegisteredUsers": dict([CREDENTIALS]),
                    "StableAge": 1,
                    "Plugins": [],
                }
            )
        )
        assert BINARY is not None
        with (self._folder / "orthanc.log").open("wb") as log:
            self._process = subprocess.Popen([BINARY, str(settings)], stdout=log, stderr=log)
        self.url = f"http://127.0.0.1:{http}"
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "orthanc.log").read_text()
            assert time.monotonic() < deadline, "Orthanc does not start"
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, auth=CREDENTIALS, timeout=30, trust_env=False)

    def _answers(self) -> bool:
        try:
            return self.client().get("/system").is_success
        except httpx.HTTPError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
