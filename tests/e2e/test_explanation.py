"""The sanity check for explanations by Adebayo et al. (2018): they must depend on the weights.

A map that stays the same when the trained head is replaced by a random one shows edges of the
image, not reasons of the model.
"""

import base64
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from PIL import Image

from ml.contract.bundle import MODEL_FILE, open_bundle
from ml.contract.preprocessing import to_input
from ml.data.dataset import load_dataset
from ml.journey.images import grids
from serving.heat_map import heat_map_uri
from tests.e2e.conftest import Journey

IMAGES = 12
DRAWS = 8
Array = npt.NDArray[np.float32]


def with_changed_head(path: Path, change: float | None, seed: int = 0) -> bytes:
    """The graph with `change` times noise added to its heads; None replaces them by noise."""
    model = onnx.load(path)
    rng = np.random.default_rng(seed)
    found = 0
    for tensor in model.graph.initializer:
        if "/head" not in tensor.name or len(tensor.dims) != 2:
            continue
        head = numpy_helper.to_array(tensor)
        noise = rng.normal(0, head.std(), head.shape)
        changed = noise if change is None else head + change * noise
        tensor.CopyFrom(numpy_helper.from_array(changed.astype(head.dtype), tensor.name))
        found += 1
    assert found, "the heads have another name or shape now"
    return model.SerializeToString()


def activations(graph: bytes, inputs: Array) -> Array:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (maps,) = session.run(["activation_map"], {session.get_inputs()[0].name: inputs})
    return maps


def seen(activation: Array) -> npt.NDArray[np.float64]:
    """How opaque each place of the picture is that a person looks at."""
    uri = heat_map_uri(activation, 64, 64)
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA")
    return np.asarray(picture)[..., 3].astype(float).ravel()


def likeness(first: Array, second: Array, labels: npt.NDArray[np.int64]) -> float:
    """Mean correlation of the pictures for the same label of the same image."""
    return float(
        np.mean(
            [
                np.corrcoef(seen(a[..., label]), seen(b[..., label]))[0, 1]
                for a, b, label in zip(first, second, labels, strict=True)
            ]
        )
    )


@pytest.fixture(scope="module")
def bundle(journey: Journey) -> Path:
    return journey.workspace.run(journey.summary["run_key"]) / "bundle"


@pytest.fixture(scope="module")
def inputs(journey: Journey, bundle: Path) -> Array:
    spec = open_bundle(bundle).input
    frame = load_dataset(journey.workspace.datasets, journey.summary["dataset_id"])[:IMAGES]
    return np.stack([to_input(grid) for grid in grids(journey.workspace, spec, frame)])


def test_a_random_head_gives_another_heat_map(bundle: Path, inputs: Array) -> None:
    path = bundle / MODEL_FILE
    trained = activations(path.read_bytes(), inputs)
    labels = trained.mean(axis=(1, 2)).argmax(axis=1)
    randomised = [
        likeness(trained, activations(with_changed_head(path, None, seed), inputs), labels)
        for seed in range(DRAWS)
    ]
    nudged = likeness(trained, activations(with_changed_head(path, 0.01), inputs), labels)
    assert nudged > 0.95  # the measure sees likeness where there is some
    assert np.abs(randomised).mean() < 0.6
