"""A real server, a real registry and the real guard meet a canary that calls everything malignant.

MLflow is the SQLite file that `vigie` uses on one machine: pipeline and server open it alike.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from ml.journey.guard import Guard, start_canary, start_shadow
from ml.journey.run import database_of, tracker_of
from ml.journey.workspace import Workspace
from ml.params import Params, load_params
from ml.registry.models import (
    CANARY,
    PRODUCTION,
    point_alias,
    register_bundle,
    tag_version,
    version_by_alias,
)
from ml.registry.results import RegisteredVersion
from ml.settings import PROJECT_ROOT
from ml.store import ledger
from ml.store.tables import PREDICTIONS
from ml.store.traffic import tally_shadow
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.clients import Clients
from tests.serving.images import BENIGN, MALIGNANT, NORMAL, png
from tests.serving.server_process import ServerProcess

pytestmark = pytest.mark.slow
ALLOWED_SECONDS = 60
CLIENTS = 2


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


@pytest.fixture
def params() -> Params:
    return load_params(PROJECT_ROOT / "params.toml", overrides=["guard.poll_seconds=1.0"])


@pytest.fixture
def register(workspace: Workspace, tmp_path: Path) -> Callable[..., RegisteredVersion]:
    tracker = tracker_of(workspace)

    def add(key: str, **knobs: object) -> RegisteredVersion:
        bundle = write_tiny_bundle(tmp_path / key, run_key=key, reference_images=1, **knobs)
        version = register_bundle(tracker, tracker.open_run("t", key, name=key), bundle, key)
        tag_version(tracker, version.version, "gate", "promote")
        ledger.append(
            database_of(workspace),
            actor="pipeline",
            action="register",
            subject=f"{version.name}/{version.version}",
            reason="test",
            evidence={"bundle_sha256": version.bundle_sha256},
        )
        return version

    return add


class Mixture(Clients):
    """Images of all kinds; which versions answered is kept."""

    def __init__(self, url: str) -> None:
        super().__init__(CLIENTS)
        self.faults: list[str] = []
        self.answered: Counter[str] = Counter()
        self._images = [png(level) for level in (NORMAL, BENIGN, MALIGNANT)]
        self._client = httpx.Client(base_url=url, timeout=30)

    def send(self, number: int) -> None:
        for image in self._images:
            try:
                answer = self._client.post("/predict", files={"file": image})
                self.answered[answer.json()["model"]["version"]] += 1
            except (httpx.HTTPError, KeyError) as error:
                self.faults.append(repr(error))
        self.pause(0.05)


def beside(server: ServerProcess) -> dict[str, str]:
    found = httpx.get(f"{server.url}/model").json()["beside"]
    return {item["role"]: item["version"] for item in found}


@pytest.fixture
def server(workspace: Workspace):
    environment = {
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
        "VIGIE_DATABASE_URL": workspace.database_url,
        "VIGIE_POLL_SECONDS": "1",
        "VIGIE_ENGINE": "onnxruntime",
    }
    with ServerProcess(workspace.home, environment=environment) as server:
        yield server


def test_a_planted_bad_canary_is_withdrawn_within_a_minute_and_no_request_fails(
    workspace, params, register, request
):
    good, bad = register("good"), register("bad", label_bias={"malignant": 50.0})
    tracker, database = tracker_of(workspace), database_of(workspace)
    point_alias(tracker, PRODUCTION, good.version)
    server = request.getfixturevalue("server")
    server.wait_until_ready()
    guard = Guard(workspace, params)
    with Mixture(server.url) as clients:
        server.wait_until(lambda: clients.answered[good.version] > 30)
        begun = time.monotonic()
        start_canary(workspace, bad.version, weight=0.3, actor="test", reason="planted")
        stopping = threading.Event()
        results = []
        for result in guard.watch(stopping):
            results.append(result)
            assert time.monotonic() - begun < ALLOWED_SECONDS, results[-1]
            if result.withdrawn:
                stopping.set()
        server.wait_until(lambda: beside(server) == {})
        took = time.monotonic() - begun
        seen = clients.answered[bad.version]
        production = clients.answered[good.version]
        server.wait_until(lambda: clients.answered[good.version] > production + 20)
        assert clients.answered[bad.version] == seen
    assert took < ALLOWED_SECONDS
    assert clients.faults == []
    assert seen >= params.guard.min_answers
    assert version_by_alias(tracker, CANARY) is None
    assert results[0].verdict.state == "insufficient"
    line = ledger.read(database)[-1]
    assert (line.action, line.actor) == ("withdraw", "guard")
    assert "critical" in line.reason
    assert line.evidence["canary"]["critical"] == line.evidence["canary"]["answered"]
    ledger.verify(database)


def test_a_shadow_is_scored_on_live_traffic_and_answers_nobody(workspace, register, request):
    good, other = register("good"), register("other", label_bias={"malignant": 50.0})
    point_alias(tracker_of(workspace), PRODUCTION, good.version)
    start_shadow(workspace, other.version, actor="test", reason="compare")
    since = ledger.read(database_of(workspace))[-1].at
    server = request.getfixturevalue("server")
    server.wait_until_ready()
    server.wait_until(lambda: beside(server) == {"shadow": other.version})

    def compared():
        return tally_shadow(
            database_of(workspace), version=other.version, since=since, critical_label="malignant"
        )

    def by_hand():
        """Which images a busy server's shadow sees is chance; each is compared with its answer."""
        shadow, answer = PREDICTIONS.alias("shadow"), PREDICTIONS.alias("answer")
        query = select(answer.c.label).join(shadow, shadow.c.shadow_of == answer.c.request_id)
        with database_of(workspace).connect() as connection:
            answers = connection.scalars(query).all()
        return len(answers), sum(label != "malignant" for label in answers)

    with Mixture(server.url) as clients:
        server.wait_until(lambda: compared().scored >= 9)
    assert clients.faults == []
    assert set(clients.answered) == {good.version}
    # This shadow says malignant to all.
    server.wait_until(lambda: (compared().scored, compared().critical_disagreed) == by_hand())
