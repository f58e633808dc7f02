import keras
import numpy as np
import pytest

from ml.training.features import backbone_digest, extract_features
from ml.training.initialisation import build_member
from ml.training.steps import Predictor
from tests.unit.training.examples import LABELS, SPEC, blobs


class CountingPredictor(Predictor):
    images = 0

    def __call__(self, images):
        self.images += len(images)
        return super().__call__(images)


def build(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build_member("cnn", SPEC, len(LABELS), initialisation="random", dropout=0.0, l2=0.0)


@pytest.fixture(scope="module")
def predictor():
    return CountingPredictor(build(0))


def extract(predictor, images, folder, key="weights"):
    before = predictor.images
    features = extract_features(predictor, images, key, folder)
    return features, predictor.images - before


def test_a_grown_set_computes_its_new_images_only(predictor, tmp_path):
    images, _ = blobs(40)
    extract(predictor, images[:30], tmp_path)
    grown, computed = extract(predictor, images[::-1], tmp_path)
    assert computed == 10
    np.testing.assert_allclose(grown, predictor(images[::-1]).features, atol=1e-6)
    again, computed = extract(predictor, images[::-1], tmp_path)
    assert computed == 0
    np.testing.assert_array_equal(again, grown)


def test_features_do_not_depend_on_their_company(predictor):
    images, _ = blobs(70)
    together = predictor(images).features
    for rows in (slice(0, 1), slice(3, 36), slice(33, 70)):
        np.testing.assert_allclose(predictor(images[rows]).features, together[rows], atol=1e-6)


def test_equal_images_are_computed_once(predictor, tmp_path):
    images, _ = blobs(5)
    features, computed = extract(predictor, np.concatenate([images, images]), tmp_path)
    assert computed == 5
    np.testing.assert_array_equal(features[:5], features[5:])


def test_other_weights_have_features_of_their_own(predictor, tmp_path):
    images, _ = blobs(4)
    extract(predictor, images, tmp_path, backbone_digest(build(0)))
    _, same = extract(predictor, images, tmp_path, backbone_digest(build(0)))
    _, other = extract(predictor, images, tmp_path, backbone_digest(build(1)))
    assert (same, other) == (0, 4)
