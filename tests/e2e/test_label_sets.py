"""Other image types and other labels take the whole journey by parameters alone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.contract.bundle import open_bundle
from ml.evaluation.gate_results import GateDecision
from ml.journey.bless import bless
from ml.journey.dataset import freeze
from ml.journey.ensemble import fit
from ml.journey.evaluate import evaluate
from ml.journey.export import export_member, seal
from ml.journey.gate import gate
from ml.journey.ingest import ingest_shard, merge, plan
from ml.journey.results import EvaluationSummary
from ml.journey.run import Run
from ml.journey.train import start_run, train_member
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import Params, load_params
from ml.settings import PROJECT_ROOT
from tests.e2e.conftest import SMALL

SIDE = 64


@dataclass(frozen=True)
class LabelSet:
    """Labels, the channels that tell them apart, and how many images of each there are."""

    labels: tuple[str, ...]
    critical: str
    channels: int
    counts: tuple[int, ...]

    def params(self) -> Params:
        labels = ", ".join(f'"{label}"' for label in self.labels)
        return load_params(
            PROJECT_ROOT / "params.toml",
            overrides=[
                *SMALL,
                f"data.labels=[{labels}]",
                f"data.critical_label={self.critical}",
                f"image.channels={self.channels}",
                "image.size=32",
                "training.epochs=8",
                "evaluation.bootstrap_rounds=100",
                "gates.min_test_images=15",
                "gates.min_class_images=3",
                "gates.class_sensitivity_floor=0.05",
            ],
        )

    def draw(self, folder: Path) -> None:
        rng = np.random.default_rng(3)
        for number, (label, count) in enumerate(zip(self.labels, self.counts, strict=True)):
            (folder / label).mkdir(parents=True)
            for index in range(count):
                path = folder / label / f"image {index}.png"
                Image.fromarray(self._image(number, rng)).save(path)

    def _image(self, label: int, rng: np.random.Generator) -> np.ndarray:
        """A random texture; its class is a hue in colour, and its brightness in grey."""
        texture = np.kron(rng.uniform(0, 70, (8, 8)), np.ones((8, 8)))
        if self.channels == 1:
            return (texture + 40 + 90 * label).astype(np.uint8)
        angle = 2 * np.pi * (label / len(self.labels) + np.arange(3) / 3)
        return (texture[..., np.newaxis] + 90 + 80 * np.cos(angle)).astype(np.uint8)


GREY_PAIR = LabelSet(("No finding", "Pneumonia"), "Pneumonia", 1, (70, 50))
COLOUR_FIVE = LabelSet(
    ("Bengin cases", "Malignant cases", "Normal cases", "grade IV", "other"),
    "Malignant cases",
    3,
    (60, 40, 40, 36, 36),
)


@dataclass(frozen=True)
class Journey:
    """Where one label set's journey came to."""

    label_set: LabelSet
    run: Run
    evaluation: EvaluationSummary
    decision: GateDecision


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(GREY_PAIR, id="2-grey", marks=pytest.mark.xdist_group("label-set-2")),
        pytest.param(COLOUR_FIVE, id="5-colour", marks=pytest.mark.xdist_group("label-set-5")),
    ],
)
def journey(request, tmp_path_factory) -> Journey:
    label_set = request.param
    folder = tmp_path_factory.mktemp("labels")
    label_set.draw(folder / "images")
    workspace = Workspace.at(folder / "var", expectations=PROJECT_ROOT / "expectations")
    params = label_set.params()
    batch = plan(workspace, params, folder / "images")
    for shard in range(len(batch.shards)):
        ingest_shard(workspace, params, batch.batch_id, shard)
    merge(workspace, batch.batch_id)
    validate(workspace, params, batch.batch_id)
    dataset = freeze(workspace, params)
    key = start_run(workspace, params, dataset.dataset_id, "labels", "other labels").run_key
    train_member(workspace, key, "cnn")
    fit(workspace, key)
    export_member(workspace, key, "cnn")
    seal(workspace, key)
    evaluation = evaluate(workspace, key)
    bless(workspace, key)
    return Journey(label_set, Run.open(workspace, key), evaluation, gate(workspace, key))


pytestmark = pytest.mark.slow


def test_the_bundle_carries_labels_and_channels(journey: Journey) -> None:
    bundle = open_bundle(journey.run.bundle)
    assert tuple(bundle.labels) == journey.label_set.labels
    assert bundle.input.channels == journey.label_set.channels


def test_the_model_tells_the_labels_apart(journey: Journey) -> None:
    assert journey.evaluation.headline["accuracy"].estimate > 0.9


def test_the_real_server_and_all_gates_take_it(journey: Journey) -> None:
    assert journey.decision.promote, journey.decision.reasons


def test_the_model_card_speaks_of_these_labels(journey: Journey) -> None:
    card = (journey.run.bundle / "model_card.md").read_text()
    assert all(label in card for label in journey.label_set.labels)
