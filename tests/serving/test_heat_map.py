import base64
import io
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from PIL import Image

from ml.contract.decoding import DecodeLimits
from ml.contract.session import ModelSession
from serving.heat_map import heat_map_uri
from serving.inference import examine_file
from tests.fakes.tiny_bundle import tiny_pixels
from tests.serving.images import encoded


def layer(activation: np.ndarray, width: int = 40, height: int = 20) -> np.ndarray:
    """The picture as (height, width, red-green-blue-opacity)."""
    uri = heat_map_uri(activation.astype(np.float32), width, height)
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return np.asarray(image.convert("RGBA")).astype(int)


def drawn(activation: np.ndarray, width: int = 40, height: int = 20) -> np.ndarray:
    return layer(activation, width, height)[..., :3].sum(axis=2)


def cpu_seconds(work: Callable[[], object], rounds: int = 30) -> float:
    seconds = []
    for _ in range(rounds):
        started = time.thread_time()
        work()
        seconds.append(time.thread_time() - started)
    return median(seconds)


def test_the_brightest_place_is_where_the_activation_is_highest():
    activation = np.zeros((4, 8))
    activation[3, 6] = 5
    rows, columns = np.unravel_index(drawn(activation).argmax(), (20, 40))
    assert (rows // 5, columns // 5) == (3, 6)


def test_scale_and_offset_of_the_activation_do_not_matter():
    activation = np.random.default_rng(0).normal(size=(4, 4))
    assert np.array_equal(drawn(activation), drawn(activation * 1000 - 7))


def test_the_picture_grows_more_opaque_with_the_activation():
    opacity = layer(np.tile(np.arange(8.0), (4, 1)))[10, :, 3]
    assert opacity[0] < 10
    assert opacity[-1] > 245
    assert (np.diff(opacity) >= 0).all()


def test_a_map_without_any_range_is_wholly_transparent():
    assert layer(np.full((4, 4), 3.0))[..., 3].max() == 0


def test_a_large_image_gets_a_bounded_map_of_its_shape():
    assert drawn(np.eye(4), width=4000, height=1000).shape == (16, 64)


def test_a_map_costs_little_beside_what_precedes_the_network(tiny_bundle):
    # The model here is a formula, so a plain prediction is decoding, resizing and measuring.
    session = ModelSession.open(tiny_bundle)
    file = encoded(Image.fromarray(tiny_pixels(height=1024, width=1024)), "JPEG")
    plain = cpu_seconds(lambda: examine_file(file, session, DecodeLimits(), explain=False))
    activation = np.random.default_rng(0).normal(size=(14, 14)).astype(np.float32)
    assert cpu_seconds(lambda: heat_map_uri(activation, 1024, 1024)) < 0.2 * plain
