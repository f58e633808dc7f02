import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract.preprocessing import to_input
from ml.training.augmentation import Augmentation, augment, view_transforms


def checker(count: int = 4, side: int = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 1), dtype=np.uint8)


def test_without_augmentation_images_are_only_scaled():
    images = checker()
    np.testing.assert_array_equal(
        augment(images, Augmentation(), np.random.default_rng(1)), to_input(images)
    )


def test_a_flip_is_exact_and_touches_about_half_of_the_images():
    images = checker(count=200)
    views = augment(images, Augmentation(horizontal_flip=True), np.random.default_rng(1))
    plain, mirrored = to_input(images), to_input(images[:, :, ::-1])
    is_plain = np.abs(views - plain).max(axis=(1, 2, 3)) < 1e-5
    is_mirrored = np.abs(views - mirrored).max(axis=(1, 2, 3)) < 1e-5
    assert np.all(is_plain ^ is_mirrored)
    assert 60 < is_mirrored.sum() < 140


@settings(max_examples=25, deadline=None)
@given(
    rotation=st.floats(0, 180),
    zoom=st.floats(0, 0.9),
    shift=st.floats(0, 0.3),
    gain=st.floats(0, 0.5),
    contrast=st.floats(0, 0.5),
)
def test_views_keep_shape_and_range(rotation, zoom, shift, gain, contrast):
    augmentation = Augmentation(rotation, zoom, True, shift, gain, contrast)
    views = augment(checker(), augmentation, np.random.default_rng(3))
    assert views.shape == (4, 20, 20, 1)
    assert views.dtype == np.float32
    assert views.min() >= -1.0001
    assert views.max() <= 1.0001


def test_the_centre_stays_where_it_is():
    augmentation = Augmentation(rotation_degrees=180, zoom=0.5, horizontal_flip=True)
    rows = view_transforms(50, 21, 31, augmentation, np.random.default_rng(2))
    centre = np.array([15.0, 10.0, 1.0])
    np.testing.assert_allclose(rows[:, :3] @ centre, 15.0, atol=1e-4)
    np.testing.assert_allclose(rows[:, 3:6] @ centre, 10.0, atol=1e-4)


def test_equal_seeds_give_equal_views():
    augmentation = Augmentation(30, 0.2, True, 0.1, 0.2, 0.2)
    first, second = (augment(checker(), augmentation, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
