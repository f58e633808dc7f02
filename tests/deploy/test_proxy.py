"""The real proxy, by the configuration that is deployed, before two real servers."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml.contract.bundle import bundle_sha256
from ml.contract.records import ModelIdentity
from serving.bundle_cache import BundleCache
from serving.sources import Candidate
from tests.deploy.local_proxy import CADDY, CADDYFILE, on_this_machine
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.clients import Clients
from tests.serving.images import png
from tests.unit.stack.conftest import free_port

PASSWORD = "correct horse"
IMAGES = 120
NO_REGISTRY = "http://127.0.0.1:9"


@dataclass
class Platform:
    """Addresses on this machine → what listens there in the deployment; and the two replicas."""

    replicas: "list[Replica]"
    server: str
    mlflow: str
    reports: str


class Replica:
    """A server that follows the registry, on a port that it keeps over restarts."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._running = partial(
            running,
            [sys.executable, "-m", "serving", "--port", str(port)],
            folder / f"server-{port}.log",
            # Replicas share one home, as in the deployment.
            {
                "VIGIE_HOME": str(folder / "home"),
                "VIGIE_ENGINE": "onnxruntime",
                "MLFLOW_TRACKING_URI": NO_REGISTRY,
            },
        )
        self._process = ExitStack()

    def start(self) -> None:
        self._process.enter_context(self._running())

    def until_ready(self) -> None:
        until_answers(f"{self.url}/health/ready")

    def stop(self) -> None:
        """Have it end what it has taken, and wait for it."""
        self._process.close()

    def answered(self) -> float:
        """How many images it has answered since it started."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        counted = [line for line in lines if line.startswith("vigie_answers_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in counted)


class Load(Clients):
    """Single images, each of its own; the statuses of the answers are kept."""

    def __init__(self, url: str) -> None:
        super().__init__(4)
        self._url = url
        self.statuses: Counter[int] = Counter()

    def send(self, number: int) -> None:
        self.statuses[predict(self._url, number).status_code] += 1


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("proxy")
    remember(write_tiny_bundle(folder / "bundle"), folder / "home")
    (folder / "reports").mkdir()
    (folder / "reports" / "report.html").write_text("drift")
    ports = [free_port() for _ in range(6)]
    with ExitStack() as stack:
        replicas = [Replica(folder, port) for port in ports[:2]]
        for replica in replicas:
            replica.start()
            stack.callback(replica.stop)
        for replica in replicas:
            replica.until_ready()
        local = folder / "Caddyfile"
        local.write_text(on_this_machine(CADDYFILE.read_text(), ports, folder / "reports"))
        stack.enter_context(
            running(
                [CADDY, "run", "--config", local, "--adapter", "caddyfile"],
                folder / "caddy.log",
                {"OPERATOR": "operator", "OPERATOR_PASSWORD_HASH": hashed(PASSWORD)},
            )
        )
        until_answers(f"http://127.0.0.1:{ports[5]}/health")
        server, mlflow, reports = (f"http://127.0.0.1:{port}" for port in ports[2:5])
        yield Platform(replicas, server, mlflow, reports)


def remember(bundle: Path, home: Path) -> None:
    """What servers of this home answered with last."""
    sha256 = bundle_sha256(bundle)
    cache = BundleCache(home / "serving")
    cache.fetch(sha256, lambda folder: shutil.copytree(bundle, folder / "bundle"))
    identity = ModelIdentity(name="vigie", version="1", bundle=sha256)
    cache.remember(Candidate(identity=identity, alias="production", location=""))


def hashed(password: str) -> str:
    done = subprocess.run(
        [
            CADDY,
            "hash-password",
            "--algorithm",
            "bcrypt",
            "--bcrypt-cost",
            "6",
            "--plaintext",
            password,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@contextmanager
def running(
    command: list[object], log: Path, environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, "HOME": str(log.parent), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def until_answers(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, url
        time.sleep(0.2)


def get(url: str, **options: Any) -> httpx.Response:
    return httpx.get(url, timeout=60, **options)  # a hash of a password is slow on purpose


def predict(url: str, seed: int) -> httpx.Response:
    files = {"file": ("image.png", png(seed=seed), "image/png")}
    return httpx.post(f"{url}/predict", files=files, timeout=30)


@pytest.mark.parametrize("place", ["mlflow", "reports"])
def test_mlflow_and_the_reports_want_a_login(platform: Platform, place: str) -> None:
    url = f"{getattr(platform, place)}/"
    assert get(url).status_code == 401
    assert get(url, auth=("operator", "a guess")).status_code == 401
    assert get(url, auth=("operator", PASSWORD)).status_code == 200


def test_a_report_is_shown_and_not_kept(platform: Platform) -> None:
    found = get(f"{platform.reports}/report.html", auth=("operator", PASSWORD))
    assert found.text == "drift"
    assert found.headers["Cache-Control"] == "no-store"
    assert found.headers["X-Content-Type-Options"] == "nosniff"


def test_the_login_is_not_handed_on(platform: Platform) -> None:
    """The server would take another's `Authorization` for a token of its own and refuse it."""
    found = get(f"{platform.mlflow}/model", auth=("operator", PASSWORD))
    assert found.status_code == 200


def test_nothing_is_lost_or_answered_twice_when_a_replica_stops(platform: Platform) -> None:
    stopping, _ = platform.replicas
    with ThreadPoolExecutor(5) as threads:
        answers = []
        for answer in threads.map(lambda seed: predict(platform.server, seed), range(IMAGES)):
            answers.append(answer)
            if len(answers) == IMAGES // 3:
                stopped = threads.submit(stopping.stop)
        stopped.result()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["request_id"] for answer in answers}) == IMAGES
    stopping.start()
    stopping.until_ready()


def test_a_replica_that_starts_again_gets_no_image_before_it_has_a_model(
    platform: Platform,
) -> None:
    restarting, _ = platform.replicas
    with Load(platform.server) as load:
        restarting.stop()
        restarting.start()
        restarting.until_ready()
        deadline = time.monotonic() + 30
        while not restarting.answered():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert set(load.statuses) == {200}
