"""A real server process whose bundle is replaced again and again under load."""

import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.broken_bundles import FAULTS, write_broken_bundle
from tests.serving.clients import Clients
from tests.serving.images import MALIGNANT, png
from tests.serving.server_process import ServerProcess

SWAPS = 20
CLIENTS = 4


class Load(Clients):
    """Single images and batches; every answer is checked and kept."""

    def __init__(self, url: str) -> None:
        super().__init__(CLIENTS)
        self._client = httpx.Client(base_url=url, timeout=30)
        self.faults: list[str] = []
        self.versions: Counter[str] = Counter()
        self.batches = 0

    def send(self, number: int) -> None:
        try:
            if number % 2:
                self._send_batch()
            else:
                self._send_one()
        except (httpx.HTTPError, AssertionError, KeyError) as error:
            self.faults.append(repr(error))

    def _send_one(self) -> None:
        answer = self._client.post("/predict", files={"file": png(MALIGNANT)})
        assert answer.status_code == 200, answer.text
        version = answer.json()["model"]["version"]
        # Each version answers in its own way: the answer shows which model really ran.
        assert answer.json()["label"] == version.partition("-")[0]
        self.versions[version] += 1

    def _send_batch(self) -> None:
        answer = self._client.post("/batch_predict", files=[("files", png(MALIGNANT))] * 8)
        assert answer.status_code == 200, answer.text
        version = answer.json()["model"]["version"]
        for item in answer.json()["results"]:
            assert item["result"]["model"]["version"] == version
            assert item["result"]["label"] == version.partition("-")[0]
        self.batches += 1


def point(link: Path, bundle: Path) -> None:
    fresh = link.with_suffix(".new")
    fresh.symlink_to(bundle)
    fresh.replace(link)


@pytest.fixture
def bundles(tmp_path: Path) -> list[Path]:
    written = []
    for number in range(SWAPS + 1):
        label = ("normal", "benign", "malignant")[number % 3]
        written.append(
            write_tiny_bundle(
                tmp_path / f"bundle-{number}",
                run_key=f"{label}-{number}",
                label_bias={label: 50.0},
                reference_images=1,
            )
        )
    return written


def wait_for_version(url: str, version: str) -> None:
    deadline = time.monotonic() + 20
    while httpx.get(f"{url}/model").json()["version"] != version:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_twenty_swaps_under_load_fail_no_request_and_mix_no_batch(tmp_path, bundles):
    link = tmp_path / "current"
    point(link, bundles[0])
    environment = {"VIGIE_POLL_SECONDS": "0.05"}
    with ServerProcess(tmp_path / "home", "--bundle", str(link), environment=environment) as server:
        with Load(server.url) as load:
            for number, bundle in enumerate(bundles[1:], start=1):
                point(link, bundle)
                label = ("normal", "benign", "malignant")[number % 3]
                wait_for_version(server.url, f"{label}-{number}")
        assert load.faults == []
        assert len(load.versions) > SWAPS / 2
        assert load.batches > 0
        reloads = f"vigie_reloads_total {SWAPS + 1:.1f}"
        assert reloads in httpx.get(f"{server.url}/metrics").text


def failures(url: str) -> float:
    """Candidates that the server refused because of what they hold."""
    family = 'vigie_reload_failures_total{code="bundle-invalid"} '
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.removeprefix(family)) for line in lines if line.startswith(family))


def test_no_broken_candidate_is_noticed_by_clients(tmp_path, bundles):
    link = tmp_path / "current"
    point(link, bundles[0])
    environment = {"VIGIE_POLL_SECONDS": "0.05"}
    with ServerProcess(tmp_path / "home", "--bundle", str(link), environment=environment) as server:
        with Load(server.url) as load:
            for number, fault in enumerate(FAULTS):
                refused = failures(server.url)
                point(link, write_broken_bundle(tmp_path / f"broken-{number}", fault))
                deadline = time.monotonic() + 20
                while failures(server.url) == refused:
                    assert time.monotonic() < deadline, fault
                    time.sleep(0.02)
                assert httpx.get(f"{server.url}/model").json()["version"] == "normal-0"
                assert httpx.get(f"{server.url}/health/ready").status_code == 200
            point(link, bundles[1])
            wait_for_version(server.url, "benign-1")
        assert load.faults == []
        assert set(load.versions) == {"normal-0", "benign-1"}
    assert "differ from its golden ones" in server.log.read_text()
