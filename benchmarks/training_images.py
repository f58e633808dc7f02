"""The images that the training benchmark works on: known ones, and ones that are new."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml.contract.bundle import InputSpec
from ml.data.phantoms import LABELS, SCANNERS, render_phantom
from ml.training.arrays import load_grids
from ml.training.data import TrainingData

SEED = 20
_PHANTOMS = 600

Record = dict[str, Any]


def write_images(folder: Path, source: Path | None, weights: Path) -> list[Record]:
    """PNG files, the last third of each label new, every fourth for validation."""
    images = []
    drawn = real_images(source) if source else phantom_images()
    for number, (label, new, pixels) in enumerate(drawn):
        path = folder / f"{number:05}.png"
        Image.fromarray(pixels).save(path)
        images.append({"id": path.name, "label": label, "new": new, "train": number % 4 > 0})
    labels = sorted({image["label"] for image in images})
    content = {"images": images, "labels": labels, "weights": str(weights.resolve())}
    (folder / "images.json").write_text(json.dumps(content))
    return images


def phantom_images() -> Iterator[tuple[str, bool, np.ndarray]]:
    """Images of the usual scanners."""
    rng = np.random.default_rng(SEED)
    for number in range(_PHANTOMS):
        label = LABELS[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
        scanner = SCANNERS[number % len(SCANNERS)]
        yield label, number >= _PHANTOMS * 2 / 3, render_phantom(label, rng, scanner)


def real_images(source: Path) -> Iterator[tuple[str, bool, np.ndarray]]:
    """Images of folders named by label."""
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        files = sorted(folder.iterdir())
        for number, file in enumerate(files):
            pixels = np.asarray(Image.open(file).convert("L"))
            yield folder.name, number >= len(files) * 2 / 3, pixels


def read_images(folder: str, *, old_only: bool = False) -> tuple[list[Record], list[str]]:
    """What `write_images` wrote."""
    content = json.loads((Path(folder) / "images.json").read_text())
    return [item for item in content["images"] if not (old_only and item["new"])], content["labels"]


def read_weights(folder: str) -> Path | None:
    """The pretrained backbone's file, None where it has to be downloaded."""
    path = Path(json.loads((Path(folder) / "images.json").read_text())["weights"])
    return path if path.is_file() else None


def load_pixels(folder: str, name: str) -> np.ndarray:
    """Decode one file."""
    return np.asarray(Image.open(Path(folder) / name))


def training_data(
    folder: str, images: Sequence[Record], labels: Sequence[str], spec: InputSpec
) -> TrainingData:
    """Images on the grid through the cache, as the journey reads them."""
    grids = load_grids(
        [item["id"] for item in images],
        lambda name: load_pixels(folder, name),
        spec,
        Path(folder) / "cache" / "grids",
    )
    return TrainingData.of_split(
        grids,
        np.array([labels.index(item["label"]) for item in images], np.int64),
        np.array(["train" if item["train"] else "validation" for item in images]),
    )
