"""A finished journey as it lives on: asked, corrected, watched, delivered to, and scraped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
from PIL import Image

from ml.data.phantoms import CohortSpec, Faults, write_cohort
from ml.journey.dataset import freeze
from ml.journey.drift import watch
from ml.journey.guard import end_trial, start_canary, start_shadow
from ml.journey.ingest import ingest_shard, merge, plan
from ml.journey.retrain import decide
from ml.journey.run import database_of, tracker_of
from ml.journey.validate import validate
from ml.registry.models import PRODUCTION, point_alias, register_bundle, tag_version
from ml.settings import load_settings
from ml.store import ledger
from tests.e2e.conftest import SMALL, Journey
from tests.e2e.serving import serving
from tests.fakes.pipeline_process import pipeline_metrics
from tests.fakes.prometheus_process import PrometheusProcess
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import png

_ACTOR = "operator"


@dataclass
class ObservedStack:
    """The parts; `server` is the server's address. Its images are of the reference's kind, or
    `brighter` by so many grey levels."""

    journey: Journey
    server: str
    prometheus: PrometheusProcess
    brighter: int = 0
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def ask(self) -> dict[str, str]:
        """The answer to another image."""
        answer = self._send("/predict", self._image())
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found

    def ask_as_clients_do(self, images: int) -> None:
        """Single images, two thirds of which a person labels; one explained, and a batch."""
        for number in range(images):
            answer = self.ask()
            if number % 3:
                assert self.label(answer["request_id"], answer["label"]).status_code == 201
        assert self._send("/predict?explain=true", self._image()).status_code == 200
        files = [("files", ("image.png", self._image())) for _ in range(3)]
        assert httpx.post(f"{self.server}/batch_predict", files=files, timeout=60).is_success

    def be_refused(self) -> None:
        """What a client may do wrong: no image, no such answer, an empty batch."""
        assert self._send("/predict", b"no image").status_code == 415
        assert self.label("0" * 32, "normal").status_code == 404
        assert httpx.post(f"{self.server}/batch_predict").status_code == 422

    def label(self, request_id: str, label: str) -> httpx.Response:
        """A person's label for an answer."""
        body = {"request_id": request_id, "label": label, "author": "reader 1"}
        return httpx.post(f"{self.server}/feedback", json=body, timeout=30)

    def watch(self) -> None:
        """One look at production, once all answers are in the database."""
        self.prometheus.wait_until(self._all_logged, "the outbox is empty")
        params = load_settings().params(SMALL)
        watch(self.journey.workspace, params)
        decide(self.journey.workspace, params)

    def deliver(self) -> None:
        """A delivery with faults and a label in doubt that is taken in, and one that waits."""
        workspace, params = self.journey.workspace, load_settings().params(SMALL)
        _write_delivery(workspace.landing / "taken", seed=50)
        _doubt_a_label(workspace.landing / "taken")
        batch = plan(workspace, params)
        for index in range(batch.shards):
            ingest_shard(workspace, params, batch.batch_id, index)
        merge(workspace, batch.batch_id)
        validate(workspace, params, batch.batch_id)
        freeze(workspace, params)
        _write_delivery(workspace.landing / "waits", seed=51)

    def _image(self) -> bytes:
        level = int(self._rng.integers(30, 226 - self.brighter)) + self.brighter
        return png(level, seed=int(self._rng.integers(1 << 30)))

    def _send(self, path: str, content: bytes) -> httpx.Response:
        files = {"file": ("image.png", content)}
        return httpx.post(f"{self.server}{path}", files=files, timeout=60)

    def _all_logged(self) -> bool:
        return [row["value"][1] for row in self.prometheus.query("vigie_outbox_rows")] == ["0"]


@contextmanager
def observed(journey: Journey, folder: Path, *, seconds: int = 1) -> Iterator[ObservedStack]:
    """The server and the pipeline's metrics on a copy of the journey, and Prometheus, which
    scrapes both every so many `seconds`.

    A small model answers, after a time as canary; the journey's own is its shadow.
    """
    home = folder / "var"
    shutil.copytree(journey.home, home)
    # Engines are measured only where none is named.
    environment = journey.environment | {"VIGIE_HOME": str(home), "VIGIE_ENGINE": "auto"}
    journey = replace(journey, home=home, environment=environment)
    journey.workspace.landing.mkdir(exist_ok=True)
    _promote_another(journey, folder / "tiny")
    with (
        pipeline_metrics(folder / "airflow", environment) as pipeline,
        serving(journey, folder / "server.log") as server,
        PrometheusProcess(
            folder / "prometheus",
            {"server": server.removeprefix("http://"), "pipeline": pipeline},
            seconds,
        ) as prometheus,
    ):
        prometheus.wait_until(
            lambda: bool(prometheus.query('vigie_pipeline_read_success{source="landing"}')),
            f"all of the pipeline is read, see {folder}/airflow/pipeline.log",
            seconds=240,
        )
        yield ObservedStack(journey, server, prometheus)


def _promote_another(journey: Journey, folder: Path) -> None:
    workspace = journey.workspace
    tracker, database = tracker_of(workspace), database_of(workspace)
    bundle = write_tiny_bundle(folder, work=20, reference_images=240)
    run = tracker.open_run("vigie", "tiny", name="tiny")
    version = register_bundle(tracker, run, bundle, "tiny-1")
    tag_version(tracker, version.version, "gate", "promote")

    def enter(action: ledger.LedgerAction) -> None:
        ledger.append(
            database,
            actor=_ACTOR,
            action=action,
            subject=f"{version.name}/{version.version}",
            reason="answers alike",
            evidence={"bundle_sha256": version.bundle_sha256},
        )

    enter("register")
    start_canary(workspace, version.version, weight=0.1, actor=_ACTOR, reason="try it")
    end_trial(workspace, "canary", actor=_ACTOR, reason="tried")
    point_alias(tracker, PRODUCTION, version.version)
    enter("promote")
    start_shadow(workspace, journey.summary["version"], actor=_ACTOR, reason="compare it")


def _write_delivery(folder: Path, *, seed: int) -> None:
    mix = {"normal": 0.4, "benign": 0.3, "malignant": 0.3}
    faults = Faults(truncated=2, duplicate=2)
    write_cohort(CohortSpec(images=40, seed=seed, class_mix=mix, faults=faults), folder)


def _doubt_a_label(folder: Path) -> None:
    """One image comes again, a little brighter and under another label."""
    rows = pd.read_csv(folder / "images.csv")
    first = rows[rows["path"].str.endswith(".png") & (rows["label"] == "normal")].iloc[0]
    with Image.open(folder / first["path"]) as image:
        image.point(lambda level: min(level + 3, 255)).save(folder / "again.png")
    again = first.to_frame().T.assign(path="again.png", label="malignant")
    pd.concat([rows, again]).to_csv(folder / "images.csv", index=False)
