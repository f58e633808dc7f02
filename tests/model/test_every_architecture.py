"""Each entry of the registry goes the whole way of a member, on the smallest images it takes."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from scipy.special import softmax

from ml.contract.bundle import InputSpec, sha256_file
from ml.contract.preprocessing import to_input
from ml.packaging.compose import Voter, compose
from ml.packaging.export import export_member
from ml.packaging.graph import MEMBER_OUTPUTS, open_graph, run_graph
from ml.packaging.quantize import quantize_member
from ml.params import QuantizationSetting
from ml.training.architectures import ARCHITECTURES, BACKBONE, Architecture, assemble
from ml.training.data import TrainingData
from ml.training.fit import train_member
from ml.training.initialisation import build_member, normalisation_layers
from ml.training.member_files import WEIGHTS_FILE, MemberOutputs, read_validation
from ml.training.projection import Projection
from ml.training.results import MemberResult
from tests.unit.packaging.small_member import write_small_member
from tests.unit.training.examples import LABELS, PARAMS, blobs

IMAGES = 24
MINMAX = QuantizationSetting(calibration="minmax", activations="asymmetric", float_nodes="none")


@dataclass(frozen=True)
class Member:
    """A member after one step on RGB images, from the backbone of `start`, which takes grey."""

    architecture: Architecture
    start: keras.Model
    start_file: Path
    folder: Path
    result: MemberResult
    float_graph: Path
    int8_graph: Path
    inputs: np.ndarray

    @property
    def name(self) -> str:
        return self.architecture.name

    @property
    def answers(self) -> MemberOutputs:
        return read_validation(self.folder)


def rgb_data(side: int) -> TrainingData:
    images, labels = blobs(IMAGES, side=side, seed=1)
    validation_images, validation_labels = blobs(12, side=side, seed=2)
    colour = np.array([1.0, 0.9, 0.7])
    return TrainingData(
        (images * colour).astype(np.uint8),
        labels,
        (validation_images * colour).astype(np.uint8),
        validation_labels,
    )


def read_arrays(weights_file: Path) -> dict[str, np.ndarray]:
    arrays = {}
    with h5py.File(weights_file) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]} if hasattr(item, "shape") else {})
        )
    return arrays


def settle_normalisation(
    architecture: Architecture, backbone: keras.Model, inputs: np.ndarray
) -> None:
    """Let normalisation be as after a long training: without it signals vanish or explode.

    It sees noise in colour as well, with which the export compares its graph.
    """
    noise = np.random.default_rng(3).uniform(-1, 1, inputs.shape).astype(np.float32)
    for layer in normalisation_layers(backbone):
        layer.momentum = 0.0
        if layer.scale:
            layer.gamma.assign(np.ones(layer.gamma.shape))
    spec = InputSpec(height=inputs.shape[1], width=inputs.shape[2], channels=3)
    model = assemble(architecture, backbone, spec, len(LABELS), dropout=0.0, l2=0.0)
    outputs = model([np.concatenate([inputs, noise])], training=True)
    assert np.isfinite(outputs["logits"]).all()


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ARCHITECTURES],
)
def member(request, tmp_path_factory) -> Member:
    """Built at random, trained for one step from its file, exported and quantized."""
    architecture = ARCHITECTURES[request.param]
    folder = tmp_path_factory.mktemp(architecture.name)
    side = max(32, architecture.minimum_side)
    data = rgb_data(side)
    start = build_member(
        architecture.name,
        InputSpec(height=side, width=side, channels=1),
        len(LABELS),
        initialisation="random",
        dropout=0.1,
        l2=1e-4,
    )
    settle_normalisation(architecture, start.get_layer(BACKBONE), to_input(data.train_images))
    start.save_weights(folder / "start.weights.h5")
    backbone_file = folder / "backbone.weights.h5"
    start.get_layer(BACKBONE).save_weights(backbone_file)
    changes = {
        "initialisation": "file",
        "weights": {architecture.name: str(backbone_file)},
        "weights_sha256": {architecture.name: sha256_file(backbone_file)},
        "trainable_layers": 1000,
        "learning_rate": 1e-4,
        "epochs": 1,
        "batch_size": IMAGES,
    }
    result = train_member(
        architecture.name,
        data=data,
        labels=LABELS,
        params=PARAMS.model_copy(update=changes),
        spec=InputSpec(height=side, width=side, channels=3),
        folder=folder / "member",
    )
    float_graph = export_member(folder / "member", folder / "float.onnx")
    int8_graph = quantize_member(
        float_graph, to_input(data.train_images), folder / "int8.onnx", setting=MINMAX
    )
    return Member(
        architecture,
        start,
        folder / "start.weights.h5",
        folder / "member",
        result,
        float_graph,
        int8_graph,
        to_input(data.validation_images),
    )


def test_one_step_has_a_finite_loss_and_moves_the_weights(member):
    assert np.isfinite([member.result.history[0].loss, member.result.validation.log_loss]).all()
    before, after = read_arrays(member.start_file), read_arrays(member.folder / WEIGHTS_FILE)
    assert before.keys() == after.keys()
    moved = sum(not np.array_equal(before[name], after[name]) for name in before)
    # Normalisation of a backbone that was not trained here stays as it is; all else learns.
    still = normalisation_layers(member.start.get_layer(BACKBONE))
    assert moved >= 0.9 * (len(before) - sum(len(layer.weights) for layer in still))


def test_grey_images_are_taken_as_well(member):
    outputs = member.start([member.inputs[..., :1]], training=False)
    assert outputs["logits"].shape == (len(member.inputs), len(LABELS))
    assert np.isfinite(outputs["features"]).all()


def test_the_saved_and_exported_member_answers_as_it_did_in_training(member):
    answers = run_graph(open_graph(member.float_graph), member.inputs, MEMBER_OUTPUTS)
    for name, kept in (("logits", member.answers.logits), ("features", member.answers.features)):
        scale = max(1.0, float(np.abs(kept).max()))
        np.testing.assert_allclose(answers[name], kept, atol=1e-4 * scale)


def test_the_int8_graph_is_small_and_answers_as_under_slight_noise(member):
    """A deep network of random weights amplifies any error: noise of 1 % of the range is the unit.

    An int8 graph that is wrong gives unrelated features, which differ by about 140 %.
    """
    noise = np.random.default_rng(0).normal(0, 0.02, member.inputs.shape).astype(np.float32)
    original, noisy, quantized = (
        run_graph(open_graph(graph), inputs, ["logits", "features"])
        for graph, inputs in (
            (member.float_graph, member.inputs),
            (member.float_graph, member.inputs + noise),
            (member.int8_graph, member.inputs),
        )
    )
    for distance, least in ((features_distance, 0.2), (probability_distance, 0.05)):
        assert distance(original, quantized) < max(least, 1.5 * distance(original, noisy))
    assert member.int8_graph.stat().st_size < 0.4 * member.float_graph.stat().st_size


def features_distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    difference = np.linalg.norm(one["features"] - other["features"])
    return float(difference / np.linalg.norm(one["features"]))


def probability_distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Mean difference, with logits brought to a spread of 1: a random head's may have any."""
    spread = one["logits"].std()
    probabilities = [softmax(outputs["logits"] / spread, axis=1) for outputs in (one, other)]
    return float(np.abs(probabilities[0] - probabilities[1]).mean())


def test_the_map_has_a_layer_per_class_and_averages_to_the_logits(member):
    answers = run_graph(open_graph(member.float_graph), member.inputs, MEMBER_OUTPUTS)
    images, rows, columns, classes = answers["activation_map"].shape
    assert (images, classes) == (len(member.inputs), len(LABELS))
    assert rows == columns >= 1
    if not member.architecture.hidden:  # of a head with a nonlinearity the mean is not the logits
        mean = answers["activation_map"].mean(axis=(1, 2))
        scale = max(1.0, float(np.abs(answers["logits"]).max()))
        np.testing.assert_allclose(mean, answers["logits"], atol=1e-3 * scale)


def test_it_votes_in_one_graph_with_another_member(member, tmp_path):
    other = write_small_member(
        tmp_path / "other.onnx", seed=1, side=member.inputs.shape[1], channels=3
    )
    width = member.answers.features.shape[1] + 5
    graph = compose(
        [Voter(member.int8_graph, member.name, 0.6), Voter(other, "other", 0.4)],
        temperature=1.0,
        projection=Projection(np.zeros(width, np.float32), np.ones((width, 2), np.float32)),
        out=tmp_path / "model.onnx",
    )
    answers = run_graph(open_graph(graph), member.inputs, ["probabilities", "activation_map"])
    votes = [
        softmax(run_graph(open_graph(path), member.inputs, ["logits"])["logits"], axis=1)
        for path in (member.int8_graph, other)
    ]
    expected = 0.6 * votes[0] + 0.4 * votes[1]
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-3)
    assert answers["activation_map"].shape[-1] == len(LABELS)
