"""Server, database and registry die by `kill -9` under load; what was answered is logged once."""

import random
import resource
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from ml.contract.bundle import bundle_sha256
from ml.contract.records import PredictionRecord
from ml.store.database import open_database
from ml.store.predictions import count_predictions, read_predictions
from serving.outbox import Outbox, OutboxRow
from tests.fakes.postgres_process import PostgresProcess
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.clients import Clients
from tests.serving.images import png
from tests.serving.registry_process import RegistryProcess
from tests.serving.server_process import ServerProcess

pytestmark = pytest.mark.slow

SEED = 20
EVENTS = 9
CLIENTS = 4
ROWS_OF_AN_HOUR = 5 * 3600  # at five images a second
DRAIN_SECONDS = 240


@pytest.fixture
def postgres() -> Iterator[PostgresProcess]:
    with PostgresProcess() as process:
        yield process


class Load(Clients):
    """They go on whatever happens, and keep the ids of all that was answered."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(CLIENTS)
        self._server = server
        self._client = httpx.Client(timeout=20)
        self.answered: list[str] = []
        self.statuses: Counter[int] = Counter()

    def send(self, number: int) -> None:
        try:
            self._send()
        except httpx.HTTPError:
            self.pause(0.05)  # it was killed and comes back elsewhere

    def _send(self) -> None:
        answer = self._client.post(f"{self._server.url}/predict", files={"file": png()})
        self.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            self.answered.append(answer.json()["request_id"])
        files = [("files", png())] * 3
        answer = self._client.post(f"{self._server.url}/batch_predict", files=files)
        self.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            results = answer.json()["results"]
            self.answered += [item["result"]["request_id"] for item in results]


def outbox_of(home: Path) -> Outbox:
    return Outbox(home / "serving" / "outbox.sqlite")


def logged(url: str) -> Counter[str]:
    return Counter(record.request_id for record in read_predictions(open_database(url)))


def register(url: str, folder: Path, run_key: str) -> str:
    client = MlflowClient(url)
    bundle = write_tiny_bundle(folder / run_key, run_key=run_key)
    experiment = client.get_experiment_by_name("tiny")
    number = experiment.experiment_id if experiment else client.create_experiment("tiny")
    run = client.create_run(number).info
    client.log_artifacts(run.run_id, str(bundle), "bundle")
    version = client.create_model_version(
        "vigie",
        source=f"{run.artifact_uri}/bundle",
        run_id=run.run_id,
        tags={"bundle_sha256": bundle_sha256(bundle)},
    )
    client.set_registered_model_alias("vigie", "production", version.version)
    return str(version.version)


def test_killing_server_database_and_registry_under_load_loses_no_answer(tmp_path, postgres):
    """Which dies when is drawn at random, by a fixed seed; each dies three times."""
    rng = random.Random(SEED)
    home = tmp_path / "home"
    with RegistryProcess(tmp_path) as registry:
        MlflowClient(registry.url).create_registered_model("vigie")
        register(registry.url, tmp_path, "first")
        environment = {
            "MLFLOW_TRACKING_URI": registry.url,
            "VIGIE_DATABASE_URL": postgres.url,
            "VIGIE_POLL_SECONDS": "0.2",
        }
        server = ServerProcess(home, environment=environment)
        victims = [server, postgres, registry] * (EVENTS // 3)
        rng.shuffle(victims)
        with server, Load(server) as load:
            server.wait_until_ready()
            for victim in victims:
                time.sleep(rng.uniform(0.3, 1.5))
                victim.kill()
                time.sleep(rng.uniform(0.0, 1.0))
                victim.start()
            time.sleep(1.0)
            registry.wait_until_ready()
            second = register(registry.url, tmp_path, "second")
            server.wait_until(lambda: httpx.get(f"{server.url}/model").json()["version"] == second)
            time.sleep(0.5)
        with server:
            server.wait_until(lambda: outbox_of(home).depth() == 0, DRAIN_SECONDS)
    stored = logged(postgres.url)
    assert len(load.answered) > EVENTS * CLIENTS
    assert set(load.statuses) <= {200, 503}  # 503 while a server has no model yet
    assert set(stored.values()) == {1}
    assert set(load.answered) <= set(stored)


def test_an_hour_without_the_database_arrives_when_it_is_back(tmp_path, postgres, tiny_bundle):
    home = tmp_path / "home"
    environment = {"VIGIE_DATABASE_URL": postgres.url}
    server = ServerProcess(home, "--bundle", str(tiny_bundle), environment=environment)
    database = open_database(postgres.url)
    with server, Load(server) as load:
        server.wait_until(lambda: len(load.answered) > CLIENTS)
    with server:
        server.wait_until(lambda: outbox_of(home).depth() == 0, DRAIN_SECONDS)
    (example,) = read_predictions(database)[:1]
    before = count_predictions(database)
    database.dispose()
    postgres.kill()
    outbox = outbox_of(home)
    outbox.append([copy_of(example) for _ in range(ROWS_OF_AN_HOUR)])
    with server, Load(server) as during:
        server.wait_until(lambda: len(during.answered) > 50)
        postgres.start()
        server.wait_until(lambda: outbox.depth() < ROWS_OF_AN_HOUR / 2, DRAIN_SECONDS)
    with server:
        server.wait_until(lambda: outbox.depth() == 0, DRAIN_SECONDS)
    assert set(during.statuses) == {200}
    stored = logged(postgres.url)
    assert set(stored.values()) == {1}
    assert set(load.answered) | set(during.answered) <= set(stored)
    assert len(stored) >= before + ROWS_OF_AN_HOUR + len(during.answered)


def copy_of(example: PredictionRecord) -> OutboxRow:
    record = example.model_copy(update={"request_id": uuid.uuid4().hex})
    return OutboxRow("prediction", record.request_id, record.model_dump_json())


@contextmanager
def full_disk(process: int, largest_file: int) -> Iterator[None]:
    """Within the block the process can make no file larger than this many bytes."""
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (largest_file, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a running process's files")
def test_a_full_disk_stops_the_answers_and_room_brings_them_back(tmp_path, tiny_bundle):
    home = tmp_path / "home"
    (home / "vigie.db").mkdir(parents=True)  # no database opens there: the outbox keeps all
    server = ServerProcess(home, "--bundle", str(tiny_bundle))
    with server:
        server.wait_until_ready()
        outbox = outbox_of(home)
        with Load(server) as load:
            server.wait_until(lambda: len(load.answered) > CLIENTS)
            held = max(path.stat().st_size for path in (home / "serving").iterdir())
            with full_disk(server.pid, held + 65536):
                server.wait_until(lambda: load.statuses[503] > CLIENTS)
                assert httpx.get(f"{server.url}/health/ready").status_code == 503
            after = len(load.answered)
            server.wait_until(lambda: len(load.answered) > after + CLIENTS)
        assert set(load.statuses) == {200, 503}
        (home / "vigie.db").rmdir()
        server.wait_until(lambda: outbox.depth() == 0, DRAIN_SECONDS)
    stored = logged(f"sqlite:///{home}/vigie.db")
    assert set(stored.values()) == {1}
    assert set(load.answered) <= set(stored)
