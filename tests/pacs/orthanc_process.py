"""A real Orthanc on free ports, with a folder of its own."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx
import pydicom

from tests.pacs.studies import read

BINARY = shutil.which("Orthanc")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
CREDENTIALS = ("vigie", "a password of the test")
_PATIENCE = 60


class OrthancProcess:
    """Started on entering; killed and forgotten on leaving."""

    def __init__(
        self, folder: Path, *, stable_age: int = 1, modalities: dict[str, tuple] | None = None
    ) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.dicom_port = free_port()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.dicomweb_url = f"{self.url}/dicom-web"
        storage = str(folder / "storage")
        self._settings = {
            "Name": "test",
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "HttpPort": port,
            "DicomPort": self.dicom_port,
            "DicomAlwaysAllowStore": True,
            "DicomModalities": modalities or {},
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": dict([CREDENTIALS]),
            "StableAge": stable_age,
            "Plugins": [str(DICOMWEB)] if DICOMWEB.is_file() else [],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        settings = self._folder / "orthanc.json"
        settings.write_text(json.dumps(self._settings))
        assert BINARY is not None
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen([BINARY, str(settings)], stdout=log, stderr=log)
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "orthanc.log").read_text()
            assert time.monotonic() < deadline, "Orthanc does not start"
            time.sleep(0.05)

    def restart(self, *, empty: bool = False) -> None:
        """As after an update of the machine; `empty` as after its disk was lost."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        if empty:
            shutil.rmtree(self._folder / "storage")
        self.start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def client(self) -> httpx.Client:
        """It keeps no connections: Orthanc closes them after a second, perhaps under a request."""
        return httpx.Client(
            base_url=self.url,
            auth=CREDENTIALS,
            timeout=30,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def send(self, files: list[bytes], *, wait: bool = True) -> None:
        """Put files in by its REST interface."""
        with self.client() as client:
            for file in files:
                client.post("/instances", content=file).raise_for_status()
        if wait:
            self.wait_until_stable()

    def wait_until_stable(self) -> None:
        with self.client() as client:
            deadline = time.monotonic() + 30
            while not all(
                client.get(f"/studies/{study}").json()["IsStable"]
                for study in client.get("/studies").json()
            ):
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def objects(self) -> list[pydicom.Dataset]:
        with self.client() as client:
            return [
                read(client.get(f"/instances/{name}/file").content)
                for name in client.get("/instances").json()
            ]

    def _answers(self) -> bool:
        try:
            return self.client().get("/system").is_success
        except httpx.HTTPError:
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
