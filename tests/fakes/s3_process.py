"""A real server process that speaks S3."""

import os
import socket
import subprocess
import sys
import time
import uuid
from typing import Self
from urllib.request import urlopen

import pytest

from ml.data.storage import Place, place

_BUCKET = "vigie"
_START_SECONDS = 60


class S3Process:
    """A context manager; while it is open, the environment leads S3 clients to the server."""

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self._environment = pytest.MonkeyPatch()
        for name, value in self.environment.items():
            self._environment.setenv(name, value)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", self.url.split(":")[-1]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

        import boto3

        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._environment.undo()

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "may come in",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": f"127.0.0.1,{os.environ.get('NO_PROXY', '')}",
        }

    def new_place(self) -> Place:
        """An empty prefix of the bucket."""
        return place(f"s3://{_BUCKET}/{uuid.uuid4().hex}")

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with urlopen(f"{self.url}/moto-api/"):
                    return
            except OSError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError("the S3 server did not start") from error
                time.sleep(0.1)
