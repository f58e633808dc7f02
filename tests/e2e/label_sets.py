"""Image types and labels other than the phantoms', small enough to train on in a test."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ml.journey.dataset import freeze
from ml.journey.ingest import ingest_shard, merge, plan
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

    def params(self, *overrides: str) -> Params:
        labels = ", ".join(f'"{label}"' for label in self.labels)
        return load_params(
            PROJECT_ROOT / "params.toml",
            overrides=[
                *SMALL,
                f"data.labels=[{labels}]",
                f"data.critical_label={self.critical}",
                f"image.channels={self.channels}",
                f"data.quality.colour={'reject' if self.channels == 1 else 'keep'}",
                "image.size=32",
                "training.epochs=8",
                "evaluation.bootstrap_rounds=100",
                "gates.min_test_images=15",
                "gates.min_class_images=3",
                "gates.class_sensitivity_floor=0.05",
                *overrides,
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


def frozen(label_set: LabelSet, folder: Path, params: Params) -> tuple[Workspace, str]:
    """A workspace below `folder` and the id of the dataset that was frozen in it."""
    label_set.draw(folder / "images")
    workspace = Workspace.at(folder / "var", expectations=PROJECT_ROOT / "expectations")
    batch = plan(workspace, params, folder / "images")
    for shard in range(batch.shards):
        ingest_shard(workspace, params, batch.batch_id, shard)
    merge(workspace, batch.batch_id)
    validate(workspace, params, batch.batch_id)
    return workspace, freeze(workspace, params).dataset_id
