import keras
import numpy as np
import pytest

from ml.training.vit import PositionEmbedding, Rollout, SelfAttention, roll_back, vision_transformer


def stochastic(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random rows that sum to 1."""
    values = rng.uniform(0.1, 1, shape)
    return (values / values.sum(axis=-1, keepdims=True)).astype(np.float32)


def test_attention_is_that_of_keras():
    rng = np.random.default_rng(0)
    ours, theirs = SelfAttention(2), keras.layers.MultiHeadAttention(2, 4)
    maps = rng.normal(size=(3, 2, 5, 8)).astype(np.float32)
    tokens = maps.reshape(3, 10, 8)
    _, attention = theirs(tokens, tokens, return_attention_scores=True)
    ours.build(maps.shape)
    *inwards, outwards, outwards_bias = theirs.get_weights()
    kernels = [part.reshape(8, 8) for part in inwards[::2]]
    biases = [part.reshape(8) for part in inwards[1::2]]
    ours.inwards.set_weights([np.concatenate(kernels, 1)[None, None], np.concatenate(biases)])
    ours.outwards.set_weights([outwards.reshape(1, 1, 8, 8), outwards_bias])
    answer, mean_attention = ours(maps)
    np.testing.assert_allclose(np.reshape(answer, tokens.shape), theirs(tokens, tokens), atol=1e-5)
    np.testing.assert_allclose(mean_attention, np.mean(attention, axis=1), atol=1e-5)


def test_rollout_multiplies_what_each_layer_passes_on():
    rng = np.random.default_rng(1)
    layers = [stochastic(rng, 2, 4, 4) for _ in range(3)]
    rollout = None
    expected = np.eye(4)
    for attention in layers:
        rollout = Rollout()(attention, rollout)
        expected = (0.5 * attention + 0.5 * np.eye(4)) @ expected
    np.testing.assert_allclose(rollout, expected, atol=1e-6)
    np.testing.assert_allclose(np.sum(rollout, axis=-1), 1, atol=1e-5)


def test_scores_go_back_to_the_patches_that_a_token_came_from():
    scores = np.zeros((1, 1, 3, 2), np.float32)
    scores[0, 0, 2] = [6.0, -3.0]
    # Token 2 was made of patch 0 by one third and of patch 1 by two thirds.
    rollout = np.array([[[1, 0, 0], [0, 1, 0], [1 / 3, 2 / 3, 0]]], np.float32)
    carried = np.asarray(roll_back(scores, rollout))
    np.testing.assert_allclose(carried[0, 0], [[2, -1], [4, -2], [0, 0]], atol=1e-6)


def test_carrying_scores_back_keeps_their_mean():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(2, 3, 2, 4)).astype(np.float32)
    carried = np.asarray(roll_back(scores, stochastic(rng, 2, 6, 6)))
    assert carried.shape == scores.shape
    np.testing.assert_allclose(carried.mean(axis=(1, 2)), scores.mean(axis=(1, 2)), atol=1e-6)


def test_positions_are_learned_on_the_grid_of_224_pixels_and_interpolated_elsewhere():
    layer = PositionEmbedding()
    layer.build((None, 14, 14, 1))
    across = np.broadcast_to(np.arange(14, dtype=np.float32), (14, 14))
    layer.embedding.assign(across[None, ..., None])
    np.testing.assert_array_equal(layer(np.zeros((1, 14, 14, 1), np.float32))[0, ..., 0], across)
    halved = np.asarray(layer(np.zeros((1, 7, 7, 1), np.float32)))[0, 0, :, 0]
    np.testing.assert_allclose(halved, np.arange(7) * 2 + 0.5)


@pytest.mark.parametrize("sides", [(32, 32), (40, 70)])
def test_the_same_weights_fit_any_image_size(tmp_path, sides):
    vision_transformer(64, 64).save_weights(tmp_path / "vit.weights.h5")
    other = vision_transformer(*sides)
    other.load_weights(tmp_path / "vit.weights.h5")
    maps, rollout = other(np.zeros((1, *sides, 3), np.float32))
    rows, columns = -(-sides[0] // 16), -(-sides[1] // 16)
    assert maps.shape == (1, rows, columns, 192)
    assert rollout.shape == (1, rows * columns, rows * columns)
