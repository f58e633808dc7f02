"""A real Prometheus on a free port, with the project's rules."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from ml.settings import PROJECT_ROOT

INSTALLED = shutil.which("prometheus") is not None
_RULES = PROJECT_ROOT / "deploy" / "prometheus" / "rules"
_START_SECONDS = 120
_METRICS_PATH = {"pipeline": "/vigie/metrics"}


class PrometheusProcess:
    """Scrapes `targets` (job → address without scheme) every `seconds`; a context manager.

    Rules are evaluated as often: their own intervals are made for months, not for a test.
    """

    def __init__(self, folder: Path, targets: Mapping[str, str], seconds: int = 1) -> None:
        self.folder = folder
        self._targets = targets
        self._every = f"{seconds}s"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"

    def __enter__(self) -> Self:
        folder = self.folder
        (folder / "rules").mkdir(parents=True)
        for path in _RULES.glob("*.yml"):
            text = re.sub(r"interval: \w+", f"interval: {self._every}", path.read_text())
            (folder / "rules" / path.name).write_text(text)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(self._configuration()))
        log = folder / "prometheus.log"
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdout=file,
                stderr=file,
            )
        try:
            self.wait_until(self._is_ready, "Prometheus answers")
        except AssertionError:
            self.__exit__()
            raise AssertionError(log.read_text()) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def ask(self, path: str, **parameters: Any) -> Any:
        """The `data` of an answer of the HTTP API under `/api/v1`."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[Any]:
        """The series that an expression has now."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def wait_until(
        self, true: Callable[[], bool], what: str, seconds: float = _START_SECONDS
    ) -> None:
        """Wait for what must come about."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, what
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def _configuration(self) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": self._every, "evaluation_interval": self._every},
            "rule_files": [str(self.folder / "rules" / "*.yml")],
            "scrape_configs": [
                {
                    "job_name": job,
                    "metrics_path": _METRICS_PATH.get(job, "/metrics"),
                    "scrape_timeout": self._every,
                    "static_configs": [{"targets": [address]}],
                }
                for job, address in self._targets.items()
            ],
        }
