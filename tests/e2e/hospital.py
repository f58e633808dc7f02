"""A hospital for tests: phantoms in traffic, labels that come back, a week that passes."""

import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select, update

from ml.data.phantoms import CohortSpec, write_cohort
from ml.journey.dataset import freeze
from ml.journey.ingest import ingest_shard, merge, plan
from ml.journey.run import database_of
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import Params
from ml.stack.questions import Answer, Question, ask
from ml.store.database import reading, writing
from ml.store.tables import FEEDBACK, PREDICTIONS

# Enough of each label to measure a sensitivity on.
MIX = {"normal": 0.4, "benign": 0.3, "malignant": 0.3}


def draw(folder: Path, images: int, seed: int, *, new_scanner: bool = False) -> Path:
    """A cohort of PNG files; a patient has one to three images."""
    spec = CohortSpec(
        images=images, seed=seed, class_mix=MIX, images_per_patient=(1, 3), dicom_share=0.0,
        jpeg_share=0.0, shift="new_scanner" if new_scanner else None,
    )  # fmt: skip
    write_cohort(spec, folder)
    return folder


def deliver(workspace: Workspace, params: Params, folder: Path) -> str:
    """What `vigie_ingest` does with a labelled delivery; the id of the new dataset."""
    batch = plan(workspace, params, folder)
    for shard in range(batch.shards):
        ingest_shard(workspace, params, batch.batch_id, shard)
    merge(workspace, batch.batch_id)
    validate(workspace, params, batch.batch_id)
    return freeze(workspace, params).dataset_id


def questions(*cohorts: Path) -> list[Question]:
    """The images of cohorts, as a client sends them."""
    found = []
    for cohort in cohorts:
        with (cohort / "images.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        found += [Question((cohort / row["path"]).read_bytes(), row["label"]) for row in rows]
    return found


@dataclass(frozen=True)
class Production:
    """A running server and the database behind it."""

    url: str
    workspace: Workspace

    def answer_and_label(self, asked: Sequence[Question]) -> list[Answer]:
        """Have all images answered, send every true label back, and wait until both are stored."""
        before = [self._stored(table) for table in (PREDICTIONS, FEEDBACK)]
        answers = ask(self.url, asked, lambda done: None)
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            for answer in answers:
                body = {"request_id": answer.body["request_id"], "label": answer.truth}
                client.post("/feedback", json=body | {"author": "reader 1"}).raise_for_status()
        deadline = time.monotonic() + 60
        while any(
            self._stored(table) < count + len(asked)
            for table, count in zip((PREDICTIONS, FEEDBACK), before, strict=True)
        ):
            assert time.monotonic() < deadline, "answers or labels did not reach the database"
            time.sleep(0.3)
        return answers

    def a_week_passes(self) -> None:
        """All that was answered and labelled so far was so eight days earlier."""
        keys = {PREDICTIONS: PREDICTIONS.c.request_id, FEEDBACK: FEEDBACK.c.feedback_id}
        with writing(database_of(self.workspace)) as connection:
            for table, key in keys.items():
                for identity, at in connection.execute(select(key, table.c.at)).all():
                    earlier = at - timedelta(days=8)
                    connection.execute(update(table).where(key == identity).values(at=earlier))

    def _stored(self, table: Any) -> int:
        with reading(database_of(self.workspace)) as connection:
            return int(connection.scalars(select(func.count()).select_from(table)).one())


def write_params(params: Params, path: Path) -> Path:
    """Parameters as the file that a DAG run reads which nobody started by hand."""
    values = params.model_dump(mode="json", exclude={"profile"})
    lines = ['profile = "standard"', *(f"{key} = {_toml(value)}" for key, value in values.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        told = (f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return "{" + ", ".join(told) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
