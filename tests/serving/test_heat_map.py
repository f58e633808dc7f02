import base64
import io

import numpy as np
from PIL import Image

from serving.heat_map import heat_map_uri


def drawn(activation: np.ndarray, width: int = 40, height: int = 20) -> np.ndarray:
    uri = heat_map_uri(activation.astype(np.float32), width, height)
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return np.asarray(image.convert("RGB")).astype(int).sum(axis=2)


def test_the_brightest_place_is_where_the_activation_is_highest():
    activation = np.zeros((4, 8))
    activation[3, 6] = 5
    rows, columns = np.unravel_index(drawn(activation).argmax(), (20, 40))
    assert (rows // 5, columns // 5) == (3, 6)


def test_scale_and_offset_of_the_activation_do_not_matter():
    activation = np.random.default_rng(0).normal(size=(4, 4))
    assert np.array_equal(drawn(activation), drawn(activation * 1000 - 7))


def test_a_map_without_any_range_is_uniformly_dark():
    assert len(np.unique(drawn(np.full((4, 4), 3.0)))) == 1


def test_a_large_image_gets_a_bounded_map():
    assert drawn(np.eye(4), width=4000, height=1000).shape == (128, 512)
