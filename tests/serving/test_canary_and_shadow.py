"""An application with models beside the one it follows."""

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from ml.contract.errors import BundleInvalid
from ml.store.database import open_database, reading
from ml.store.migrate import migrate
from ml.store.predictions import read_predictions
from ml.store.tables import PREDICTIONS
from serving.app import create_app
from serving.settings import Settings
from serving.sources import Candidate, FolderSource
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import BENIGN, MALIGNANT, png


class TrialSource(FolderSource):
    """A folder as an alias with a weight; the alias can be taken away."""

    def __init__(self, folder: Path, weight: float) -> None:
        super().__init__(folder)
        self.weight: float | None = weight

    def look(self) -> Candidate | None:
        if self.weight is None:
            return None
        return super().look().model_copy(update={"weight": self.weight})


class FailingSession:
    """Loads as any other and then answers nothing."""

    def __init__(self, session: object) -> None:
        self.bundle = session.bundle

    def run(self, batch: object) -> None:
        raise BundleInvalid("It answers with values that are not numbers.")


Start = Callable[..., SimpleNamespace]


@pytest.fixture
def start(tmp_path: Path, tiny_bundle: Path) -> Iterator[Start]:
    """Starts an application whose canary or shadow calls everything malignant."""
    other = write_tiny_bundle(tmp_path / "other", run_key="other", label_bias={"malignant": 50.0})
    with ExitStack() as running:

        def start_with(role: str, weight: float = 0.5, **knobs: object) -> SimpleNamespace:
            settings = Settings(
                **{"home": tmp_path / "home", "workers": 2, "poll_seconds": 0.05, **knobs}
            )
            migrate(open_database(settings.database))
            source = TrialSource(other, weight)
            app = create_app(settings, FolderSource(tiny_bundle), {role: source})
            server = app.state.server
            server.watcher.look()
            server.beside_watchers[0].look()
            client = running.enter_context(TestClient(app))
            return SimpleNamespace(
                client=client, server=server, source=source, slot=server.beside[role]
            )

        yield start_with


def rows(server, count: int) -> list:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with reading(server.database) as connection:
            found = connection.execute(select(PREDICTIONS).order_by(PREDICTIONS.c.at)).all()
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{count} rows were expected in the database, {len(found)} came")


def predict(client: TestClient, level: int = BENIGN, **fields: str) -> dict:
    answer = client.post("/predict", files={"file": png(level)}, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_canary_answers_its_share_and_the_log_names_the_role(start):
    app = start("canary", 0.5)
    versions = [predict(app.client)["model"]["version"] for _ in range(60)]
    assert 12 < versions.count("other") < 48
    roles = {row.request_id: (row.model_version, row.role) for row in rows(app.server, 60)}
    assert set(roles.values()) == {("tiny-1", "production"), ("other", "canary")}
    metrics = app.client.get("/metrics").text
    assert 'role="canary",version="other"} 0.5' in metrics
    assert 'vigie_model_seconds_count{role="canary",version="other"}' in metrics
    [beside] = app.client.get("/model").json()["beside"]
    assert (beside["role"], beside["version"], beside["weight"]) == ("canary", "other", 0.5)


def test_images_of_a_study_stay_with_one_model_and_its_name_stays_nowhere(start, caplog):
    caplog.set_level("DEBUG")
    app = start("canary", 0.5)
    seen = {}
    for number in range(12):
        study = f"secret-study-{number}"
        seen[study] = {predict(app.client, study=study)["model"]["version"] for _ in range(3)}
    assert all(len(versions) == 1 for versions in seen.values())
    assert set.union(*seen.values()) == {"tiny-1", "other"}
    batch = app.client.post(
        "/batch_predict", files=[("files", png())], data={"study": "secret-study-1"}
    )
    assert {batch.json()["model"]["version"]} == seen["secret-study-1"]
    stored = "".join(map(str, rows(app.server, 37))) + caplog.text
    stored += app.client.get("/metrics").text
    assert "secret-study" not in stored
    for path in app.server.settings.folder.iterdir():
        assert not path.is_file() or b"secret-study" not in path.read_bytes()


def test_a_batch_is_answered_wholly_by_one_version(start):
    app = start("canary", 0.5)
    versions = set()
    for _ in range(20):
        answer = app.client.post("/batch_predict", files=[("files", png())] * 4).json()
        version = answer["model"]["version"]
        versions.add(version)
        labels = {item["result"]["label"] for item in answer["results"]}
        assert labels == {"malignant" if version == "other" else "benign"}
    assert versions == {"tiny-1", "other"}


def test_where_a_canary_fails_production_answers_and_the_log_says_so(start, caplog):
    app = start("canary", 1.0)
    app.server.beside_watchers[0].stop()
    app.slot.swap(replace(app.slot.current, session=FailingSession(app.slot.current.session)))
    answer = predict(app.client)
    assert (answer["model"]["version"], answer["label"]) == ("tiny-1", "benign")
    assert f"request {answer['request_id']} failed with the canary" in caplog.text
    assert "BundleInvalid: It answers with values that are not numbers." in caplog.text
    caplog.clear()
    batch = app.client.post("/batch_predict", files=[("files", png()), ("files", b"text")]).json()
    told = batch["results"][0]["result"]["request_id"]
    assert caplog.text.count("failed with the canary") == 1
    assert f"request {told} failed with the canary" in caplog.text
    assert batch["results"][0]["result"]["model"]["version"] == "tiny-1"
    assert batch["results"][1]["problem"]["status"] == 415
    found = rows(app.server, 2)
    assert [(row.role, row.instead_of) for row in found] == [("production", "other")] * 2
    assert 'vigie_model_failures_total{role="canary",version="other"} 2.0' in (
        app.client.get("/metrics").text
    )


def test_a_bad_file_is_not_the_canarys_fault(start):
    app = start("canary", 1.0)
    assert app.client.post("/predict", files={"file": b"text"}).status_code == 415
    text = app.client.get("/metrics").text
    assert 'vigie_model_failures_total{role="canary",version="other"} 0.0' in text


def test_a_withdrawn_canary_is_dropped_and_its_memory_given_back(start):
    app = start("canary", 1.0)
    assert predict(app.client)["model"]["version"] == "other"
    session = weakref.ref(app.slot.current.session)
    app.source.weight = None
    wait_until(lambda: app.slot.current is None)
    assert predict(app.client)["model"]["version"] == "tiny-1"
    gc.collect()
    assert session() is None
    metrics = app.client.get("/metrics").text.splitlines()
    shown = [line for line in metrics if line.startswith("vigie_model_info{")]
    assert len(shown) == 1
    assert 'role="production"' in shown[0]


def test_another_weight_loads_nothing_again(start):
    app = start("canary", 0.5)
    session = app.slot.current.session
    app.source.weight = 1.0
    wait_until(lambda: app.slot.current.weight == 1.0)
    assert app.slot.current.session is session
    assert predict(app.client)["model"]["version"] == "other"


def test_a_shadow_is_logged_beside_the_answer_and_is_no_answer(start):
    app = start("shadow", 0.0)
    answer = predict(app.client, BENIGN, site="north")
    assert answer["model"]["version"] == "tiny-1"
    production, shadow = sorted(rows(app.server, 2), key=lambda row: row.role)
    assert (shadow.role, shadow.model_version, shadow.label) == ("shadow", "other", "malignant")
    assert shadow.shadow_of == production.request_id == answer["request_id"]
    assert (shadow.image_id, shadow.site) == (production.image_id, "north")
    assert [record.role for record in read_predictions(app.server.database)] == ["production"]
    outcome = 'vigie_shadow_images_total{outcome="critical_disagreed",version="other"} 1.0'
    assert outcome in app.client.get("/metrics").text


def test_under_load_the_shadow_gives_way_and_says_how_often(start):
    app = start("shadow", 0.0, workers=1)
    answer = app.client.post("/batch_predict", files=[("files", png(MALIGNANT))] * 32).json()
    assert all("result" in item for item in answer["results"])
    wait_until(
        lambda: outcomes(app.client).get("agreed", 0) + outcomes(app.client)["dropped"] == 32
    )
    assert outcomes(app.client)["dropped"] > 16


def outcomes(client: TestClient) -> dict[str, float]:
    family = 'vigie_shadow_images_total{outcome="'
    lines = client.get("/metrics").text.splitlines()
    named = [line.removeprefix(family) for line in lines if line.startswith(family)]
    return {line.partition('"')[0]: float(line.rpartition(" ")[2]) for line in named}


def test_a_shadow_that_fails_is_counted_and_nobody_notices(start):
    app = start("shadow", 0.0)
    app.server.beside_watchers[0].stop()
    app.slot.swap(replace(app.slot.current, session=FailingSession(app.slot.current.session)))
    for _ in range(2):
        assert predict(app.client)["label"] == "benign"
        before = outcomes(app.client).get("failed", 0)
        wait_until(lambda before=before: outcomes(app.client).get("failed", 0) >= max(before, 1))
    assert len(rows(app.server, 2)) == 2
