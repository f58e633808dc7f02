import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from ml.contract.bundle import AdaptiveVote
from ml.contract.engine import DISAGREEMENT, OUTPUTS, STOPPED_EARLY
from ml.contract.engine_onnxruntime import OnnxRuntimeEngine
from ml.contract.engine_openvino import OpenVinoEngine
from ml.packaging.adaptive import StopRule
from ml.packaging.compose import Voter, compose
from ml.packaging.graph import MEMBER_OUTPUTS, open_graph, run_graph
from ml.training.adaptive import stops
from ml.training.projection import Projection
from ml.training.temperature import calibrate
from tests.unit.packaging.small_member import noise, write_small_member

CRITICAL, IMAGES, TEMPERATURE = 2, 40, 1.7
NAMES = (*OUTPUTS, STOPPED_EARLY, DISAGREEMENT)
WEIGHTS = {"quick": 0.3, "thorough": 0.7}
INPUTS = noise(IMAGES)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    return {
        "quick": write_small_member(folder / "quick.onnx", seed=1, stride=3, width=4),
        "thorough": write_small_member(folder / "thorough.onnx", seed=2, stride=2, width=6),
    }


@pytest.fixture(scope="module")
def outputs(members):
    return {
        name: run_graph(open_graph(path), INPUTS, MEMBER_OUTPUTS) for name, path in members.items()
    }


def alone_of(outputs):
    return calibrate(softmax(outputs["quick"]["logits"].astype(float), axis=1), 1.3)


@pytest.fixture(scope="module")
def adaptive(outputs):
    """Bounds that a good part of the images keep, and a good part do not."""
    alone = alone_of(outputs)
    return AdaptiveVote(
        first="quick",
        temperature=1.3,
        critical_ceiling=float(np.quantile(alone[:, CRITICAL], 0.8)),
        confidence=float(np.quantile(alone[:, :CRITICAL].max(axis=1), 0.4)),
        stopped=0.5,
    )


@pytest.fixture(scope="module")
def projection():
    rng = np.random.default_rng(8)
    return Projection(
        rng.normal(size=4).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    )


@pytest.fixture(scope="module")
def graph(members, adaptive, projection, tmp_path_factory):
    return compose(
        [Voter(path, name, WEIGHTS[name]) for name, path in members.items()],
        temperature=TEMPERATURE,
        projection=projection,
        out=tmp_path_factory.mktemp("graph") / "model.onnx",
        stop=StopRule(adaptive, CRITICAL),
    )


def test_each_image_is_answered_by_the_first_member_or_by_all(graph, outputs, adaptive, projection):
    answer = run_graph(open_graph(graph), INPUTS, NAMES)
    alone = alone_of(outputs)
    expected_stops = stops(alone, adaptive, CRITICAL)
    assert 5 < expected_stops.sum() < IMAGES - 5
    np.testing.assert_array_equal(answer[STOPPED_EARLY] > 0, expected_stops)
    mixture = sum(
        weight * softmax(outputs[name]["logits"], axis=1) for name, weight in WEIGHTS.items()
    )
    together = softmax(np.log(mixture) / TEMPERATURE, axis=1)
    expected = np.where(expected_stops[:, np.newaxis], alone, together)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    assert np.all((answer[DISAGREEMENT] > 0) == ~expected_stops)
    features = projection.apply(outputs["quick"]["features"])
    np.testing.assert_allclose(answer["embedding"], features, atol=1e-4)


def test_the_map_is_of_those_who_voted(members, graph, outputs, tmp_path):
    answer = run_graph(open_graph(graph), INPUTS, NAMES)
    whole = compose(
        [Voter(path, name, WEIGHTS[name]) for name, path in members.items()],
        temperature=TEMPERATURE,
        projection=None,
        out=tmp_path / "whole.onnx",
    )
    together = run_graph(open_graph(whole), INPUTS, ["activation_map"])["activation_map"]
    stopped = answer[STOPPED_EARLY] > 0
    np.testing.assert_allclose(answer["activation_map"][~stopped], together[~stopped], atol=1e-5)
    # On the finer grid the first member's map still has the mean that is its logits.
    own = outputs["quick"]["activation_map"].mean(axis=(1, 2))
    seen = answer["activation_map"].mean(axis=(1, 2))
    assert np.abs(seen - own)[stopped].mean() < np.abs(seen - own)[~stopped].mean()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, IMAGES - 1), min_size=1, max_size=8))
def test_an_answer_depends_on_no_other_image_of_the_batch(graph, chosen):
    session = open_graph(graph)
    together = run_graph(session, INPUTS[chosen], NAMES)
    for position, index in enumerate(chosen):
        alone = run_graph(session, INPUTS[index : index + 1], NAMES)
        for name in NAMES:
            np.testing.assert_allclose(alone[name][0], together[name][position], atol=1e-5)


def test_the_others_do_not_run_for_an_image_that_the_first_settles(graph, tmp_path):
    settled = run_graph(open_graph(graph), INPUTS, [STOPPED_EARLY])[STOPPED_EARLY] > 0

    def nodes_run(index: int) -> set[str]:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(tmp_path / f"profile-{index}")
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        session.run(None, {"images": INPUTS[index : index + 1]})
        events = json.loads(Path(session.end_profiling()).read_text())
        return {event["name"] for event in events if event["cat"] == "Node"}

    def of_thorough(names: set[str]) -> bool:
        return any("thorough" in name for name in names)

    assert not of_thorough(nodes_run(int(np.flatnonzero(settled)[0])))
    assert of_thorough(nodes_run(int(np.flatnonzero(~settled)[0])))


def test_a_first_member_without_a_vote_decides_only_alone(
    members, adaptive, projection, outputs, tmp_path
):
    graph = compose(
        [Voter(members["quick"], "quick", 0.0), Voter(members["thorough"], "thorough", 1.0)],
        temperature=1.0,
        projection=projection,
        out=tmp_path / "model.onnx",
        stop=StopRule(adaptive, CRITICAL),
    )
    answer = run_graph(open_graph(graph), INPUTS, NAMES)
    asked = answer[STOPPED_EARLY] == 0
    expected = softmax(outputs["thorough"]["logits"], axis=1)
    np.testing.assert_allclose(answer["probabilities"][asked], expected[asked], atol=1e-5)
    assert 5 < asked.sum() < IMAGES - 5
    alone = alone_of(outputs)[~asked]
    np.testing.assert_allclose(answer["probabilities"][~asked], alone, atol=1e-5)


@pytest.mark.skipif(
    find_spec("openvino") is None, reason="needs the extra `openvino`, which is not installed"
)
def test_both_engines_stop_at_the_same_images(graph):
    expected = OnnxRuntimeEngine(graph).run(INPUTS)
    for answer in OpenVinoEngine(graph, "f32", streams=2).run_each(INPUTS):
        for name in NAMES:
            np.testing.assert_allclose(getattr(answer, name), getattr(expected, name), atol=1e-4)
