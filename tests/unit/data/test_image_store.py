from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract.decoding import image_id
from ml.contract.errors import NotFound
from ml.data.image_store import ImageDamaged, ImageStore


@settings(deadline=None)
@given(
    height=st.integers(8, 20),
    width=st.integers(8, 20),
    colour=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_what_is_put_is_loaded_back(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, colour: bool, seed: int
) -> None:
    store = ImageStore(tmp_path_factory.getbasetemp() / "property")
    shape = (height, width, 3) if colour else (height, width)
    pixels = np.random.default_rng([seed, *shape]).integers(0, 256, shape, dtype=np.uint8)
    identity = store.put(pixels)
    assert identity == image_id(pixels)
    assert identity in store
    np.testing.assert_array_equal(store.load(identity), pixels)


def test_equal_pixels_are_one_file(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    first = store.put(pixels)
    before = store.path(first).stat().st_mtime_ns
    assert store.put(pixels.copy()) == first
    assert store.path(first).stat().st_mtime_ns == before
    assert store.path(first).parent.name == first[:2]
    np.testing.assert_array_equal(store.load(first), pixels)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="abcdef"):
        ImageStore(tmp_path).load("abcdef" * 10)


@pytest.mark.parametrize("content", [b"", b"not a png"])
def test_an_altered_file_is_not_handed_out(tmp_path: Path, content: bytes) -> None:
    store = ImageStore(tmp_path)
    identity = store.put(np.zeros((8, 8), np.uint8))
    store.path(identity).write_bytes(content)
    with pytest.raises(ImageDamaged):
        store.load(identity)


def test_an_exchanged_image_is_not_handed_out(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    one, other = (store.put(np.full((8, 8), value, np.uint8)) for value in (1, 2))
    store.path(one).write_bytes(store.path(other).read_bytes())
    with pytest.raises(ImageDamaged, match="altered"):
        store.load(one)
