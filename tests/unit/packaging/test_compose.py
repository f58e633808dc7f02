import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from ml.contract.errors import BundleInvalid
from ml.packaging.compose import Voter, compose
from ml.packaging.graph import MEMBER_OUTPUTS, open_graph, run_graph
from ml.packaging.overlay import interpolation_matrix
from ml.training.projection import Projection
from tests.unit.packaging.small_member import noise, write_small_member

OUTPUTS = ("probabilities", "embedding", "activation_map", "disagreement")
TEMPERATURE = 1.7


def projection(width: int, components: int = 4) -> Projection:
    rng = np.random.default_rng(8)
    return Projection(
        rng.normal(size=width).astype(np.float32),
        rng.normal(size=(width, components)).astype(np.float32),
    )


@pytest.fixture
def voters(tmp_path):
    coarse = write_small_member(tmp_path / "a.onnx", seed=1, stride=24, width=4)
    fine = write_small_member(tmp_path / "b.onnx", seed=2, stride=8, width=6)
    return [Voter(coarse, "a", 0.3), Voter(fine, "b", 0.7)]


def test_one_graph_computes_the_formula(tmp_path, voters):
    inputs = noise(5)
    white = projection(10)
    graph = compose(voters, temperature=TEMPERATURE, projection=white, out=tmp_path / "model.onnx")
    answer = run_graph(open_graph(graph), inputs, OUTPUTS)

    a, b = (run_graph(open_graph(voter.path), inputs, MEMBER_OUTPUTS) for voter in voters)
    mixture = 0.3 * softmax(a["logits"], axis=1) + 0.7 * softmax(b["logits"], axis=1)
    expected = softmax(np.log(mixture) / TEMPERATURE, axis=1)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    features = np.concatenate([a["features"], b["features"]], axis=1)
    np.testing.assert_allclose(answer["embedding"], white.apply(features), atol=1e-4)
    apart = [0.5 * np.abs(softmax(own["logits"], axis=1) - mixture).sum(axis=1) for own in (a, b)]
    np.testing.assert_allclose(answer["disagreement"], 0.3 * apart[0] + 0.7 * apart[1], atol=1e-5)
    # The coarse map has one position: its value covers the whole finer grid.
    overlay = 0.3 * a["activation_map"] + 0.7 * b["activation_map"]
    assert answer["activation_map"].shape == (5, 3, 3, 3)
    np.testing.assert_allclose(answer["activation_map"], overlay, atol=1e-5)


def test_a_single_image_gets_the_same_answer_as_in_a_batch(tmp_path, voters):
    graph = compose(voters, temperature=1.0, projection=projection(10), out=tmp_path / "m.onnx")
    inputs = noise(3)
    together = run_graph(open_graph(graph), inputs, OUTPUTS)
    alone = run_graph(open_graph(graph), inputs[1:2], OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(alone[name][0], together[name][1], atol=1e-5)


def test_a_member_without_a_vote_is_not_in_the_graph(tmp_path, voters):
    silent = Voter(voters[0].path, "a", 0.0)
    graph = compose(
        [silent, voters[1]], temperature=1.0, projection=projection(6), out=tmp_path / "m.onnx"
    )
    names = [constant.name for constant in onnx.load(graph).graph.initializer]
    assert not any(name.startswith("a/") for name in names)


def test_no_vote_at_all_is_refused(tmp_path, voters):
    with pytest.raises(BundleInvalid, match="No member has a vote"):
        compose(
            [Voter(voters[0].path, "a", 0.0)],
            temperature=1.0,
            projection=projection(4),
            out=tmp_path / "m.onnx",
        )


def test_members_of_different_inputs_are_refused(tmp_path, voters):
    other = Voter(write_small_member(tmp_path / "c.onnx", seed=3, side=32), "c", 0.5)
    with pytest.raises(BundleInvalid, match="different inputs"):
        compose(
            [voters[0], other],
            temperature=1.0,
            projection=projection(9),
            out=tmp_path / "m.onnx",
        )
    assert not (tmp_path / "m.onnx").exists()


@given(st.integers(1, 12), st.integers(1, 12))
def test_interpolation_is_a_weighted_mean_and_keeps_constants(source, target):
    matrix = interpolation_matrix(source, target)
    assert matrix.shape == (target, source)
    assert np.all(matrix >= 0)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)


def test_interpolation_to_the_same_grid_changes_nothing():
    np.testing.assert_array_equal(interpolation_matrix(5, 5), np.eye(5))
