import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.errors import TrainingFailed
from ml.training.imbalance import balance_embeddings, class_weights, require_all_classes

NAMES = ["normal", "benign", "malignant"]


def embeddings(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    points = rng.normal(size=(len(labels), 6)) + labels[:, np.newaxis] * 3
    return points.astype(np.float32), labels


@given(st.lists(st.integers(1, 500), min_size=2, max_size=5))
def test_class_weights_average_one_per_image_and_balance_classes(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    weights = class_weights(labels, len(counts))
    assert np.isclose(weights[labels].mean(), 1, atol=1e-4)
    totals = weights * np.array(counts)
    assert np.allclose(totals, totals[0], rtol=1e-4)


def test_smote_brings_every_class_to_the_largest_and_keeps_the_given_rows():
    points, labels = embeddings([40, 20, 10])
    balanced, balanced_labels = balance_embeddings(points, labels, NAMES, seed=1)
    assert np.bincount(balanced_labels).tolist() == [40, 40, 40]
    np.testing.assert_array_equal(balanced[: len(points)], points)


def test_synthetic_rows_lie_between_rows_of_their_own_class():
    points, labels = embeddings([40, 20, 10])
    balanced, balanced_labels = balance_embeddings(points, labels, NAMES, seed=1)
    rare, made = points[labels == 2], balanced[70:][balanced_labels[70:] == 2]
    assert np.all(made >= rare.min(axis=0) - 1e-5)
    assert np.all(made <= rare.max(axis=0) + 1e-5)


def test_a_small_class_gets_fewer_neighbours_and_says_so(caplog):
    points, labels = embeddings([20, 10, 3])
    with caplog.at_level(logging.WARNING):
        _, balanced_labels = balance_embeddings(points, labels, NAMES, seed=1)
    assert np.bincount(balanced_labels).tolist() == [20, 20, 20]
    assert "2 neighbours instead of 5" in caplog.text


def test_a_class_with_one_image_is_refused_by_name():
    points, labels = embeddings([20, 10, 1])
    with pytest.raises(TrainingFailed, match="at least 2 training images of malignant"):
        balance_embeddings(points, labels, NAMES, seed=1)


def test_a_missing_class_is_refused_by_name():
    with pytest.raises(TrainingFailed, match="validation split holds no image of malignant"):
        require_all_classes(np.array([0, 1, 1]), NAMES, "validation")
