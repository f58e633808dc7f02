from dataclasses import replace

import numpy as np
import pytest

from ml.training.data import ImageRows, TrainingData
from tests.unit.training.examples import blobs


@pytest.fixture
def stored(tmp_path):
    images, labels = blobs(12, side=8)
    np.save(tmp_path / "images.npy", images)
    return np.load(tmp_path / "images.npy", mmap_mode="r"), labels


def test_a_split_reads_its_rows_in_order_and_copies_none(stored):
    images, labels = stored
    split = np.array(["train", "test", "validation"] * 4)
    data = TrainingData.of_split(images, labels, split)
    assert isinstance(data.train_images, ImageRows)
    assert data.train_images.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(data.train_images[np.array([3, 0])], images[[9, 0]])
    np.testing.assert_array_equal(data.validation_images[1:3], images[[5, 8]])
    np.testing.assert_array_equal(data.validation_labels, labels[2::3])


def test_the_digest_sees_content_and_not_where_it_lies(stored):
    images, labels = stored
    split = np.array(["train", "validation"] * 6)
    lazy = TrainingData.of_split(images, labels, split)
    copied = TrainingData(images[::2], labels[::2], images[1::2], labels[1::2])
    assert lazy.sha256 == copied.sha256
    assert replace(copied, train_labels=labels[1::2]).sha256 != copied.sha256
    changed = np.array(images[::2])
    changed[0, 0, 0] += 1
    assert replace(copied, train_images=changed).sha256 != copied.sha256
