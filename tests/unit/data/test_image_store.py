import ctypes
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.contract.decoding import decode, image_id
from ml.contract.errors import DiskFull, NotFound
from ml.data import storage
from ml.data.image_store import ImageDamaged, ImageStore
from ml.data.storage import Place, found, write_bytes


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


def test_equal_pixels_are_one_file(anywhere: Place) -> None:
    store = ImageStore(anywhere)
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    first = store.put(pixels)
    assert store.put(pixels.copy()) == first
    assert [str(path) for path in found(anywhere, "*/*")] == [str(store.path(first))]
    assert store.path(first).parent.name == first[:2]
    np.testing.assert_array_equal(store.load(first), pixels)


def test_a_missing_image_is_named(anywhere: Place) -> None:
    with pytest.raises(NotFound, match="abcdef"):
        ImageStore(anywhere).load("abcdef" * 10)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_an_altered_file_is_not_handed_out(anywhere: Place, content: bytes) -> None:
    store = ImageStore(anywhere)
    identity = store.put(np.zeros((8, 8), np.uint8))
    store.path(identity).write_bytes(content)
    with pytest.raises(ImageDamaged):
        store.load(identity)


def test_an_exchanged_image_is_not_handed_out(anywhere: Place) -> None:
    store = ImageStore(anywhere)
    one, other = (store.put(np.full((8, 8), value, np.uint8)) for value in (1, 2))
    store.path(one).write_bytes(store.path(other).read_bytes())
    with pytest.raises(ImageDamaged, match="altered"):
        store.load(one)


def test_many_images_are_stored_at_once(anywhere: Place) -> None:
    store = ImageStore(anywhere)
    count = 150 if isinstance(anywhere, Path) else 40
    images = [np.full((8, 9), number, np.uint8) for number in range(count)]
    with store.writing() as put:
        names = [put(pixels) for pixels in images]
    for name, pixels in zip(names, images, strict=True):
        np.testing.assert_array_equal(store.load(name), pixels)
    assert len(found(anywhere, "*/*")) == count
    assert not list(anywhere.glob(".*"))


def test_what_fails_midway_leaves_no_half_written_image(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)

    def fail() -> None:
        with store.writing() as put:
            put(np.zeros((8, 8), np.uint8))
            raise OSError("the source went away")

    with pytest.raises(OSError, match="away"):
        fail()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_images_of_an_earlier_version_are_still_read(anywhere: Place) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    store, identity, file = ImageStore(anywhere), image_id(pixels), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    write_bytes(anywhere / identity[:2] / f"{identity}.png", file.getvalue())
    assert identity in store
    np.testing.assert_array_equal(store.load(identity), pixels)
    if isinstance(anywhere, Path):
        store.put(pixels)
        assert [path.suffix for path in found(anywhere, "*/*")] == [".png"]


def test_an_image_is_given_out_as_a_file_that_a_client_would_send(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    pixels = np.arange(240, dtype=np.uint8).reshape(8, 10, 3)
    sent = decode(store.png(store.put(pixels)))
    assert sent.media_type == "image/png"
    np.testing.assert_array_equal(sent.pixels, pixels)


def test_stored_images_are_open_to_their_owner_alone(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    path = store.path(store.put(np.zeros((8, 8), np.uint8)))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "file by file"])
def test_many_images_are_named_when_the_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(storage, "_syncfs", None)
    store = ImageStore(tmp_path)
    with store.writing() as put:
        identities = {put(np.full((8, 8 + number), number, np.uint8)) for number in range(150)}
    assert len(identities) == 150
    assert all(identity in store for identity in identities)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 150


def full_file_system(descriptor: int) -> int:
    ctypes.set_errno(errno.ENOSPC)
    return -1


def full_file(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("at_once", [full_file_system, None], ids=["at once", "file by file"])
def test_a_full_disk_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: Callable[[int], int] | None
) -> None:
    monkeypatch.setattr(storage, "_syncfs", at_once)
    monkeypatch.setattr(os, "fsync", full_file)
    with pytest.raises(DiskFull):
        ImageStore(tmp_path).put(np.zeros((8, 8), np.uint8))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
