"""Stored images → one memory-mapped array on the model's grid, made once and shared."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ml.contract.bundle import InputSpec
from ml.contract.decoding import Pixels
from ml.contract.errors import NotFound
from ml.contract.preprocessing import PREPROCESSING_VERSION, to_grid
from ml.training.row_cache import RowCache

logger = logging.getLogger(__name__)

_DECODERS = 2
_BLOCK = 64


def load_grids(
    image_ids: Sequence[str],
    load: Callable[[str], Pixels],
    spec: InputSpec,
    cache_folder: Path,
    *,
    readers: int = _DECODERS,
) -> np.memmap:
    """Read images onto the model's grid, in the order of `image_ids`.

    Args:
        load: image id → uint8 pixels; called from several threads, only for images that no
            earlier array of the same grid and preprocessing holds.
        cache_folder: keeps `<grid>/<images>.npy`; a finished file is reused.
        readers: threads that read at once; more help where reading is waiting.

    Returns:
        uint8, (n, height, width, channels), read-only and memory-mapped.

    Raises:
        NotFound: no images were asked for.
        DiskFull: there is no room for the array.
    """
    if not image_ids:
        raise NotFound("There are no images to load.", remedy="Choose a split that has images.")
    folder = cache_folder / _digest([PREPROCESSING_VERSION, spec.model_dump()])
    name = _digest(list(image_ids))
    path = folder / f"{name}.npy"
    if not path.is_file():
        _write(folder, name, image_ids, load, spec, readers)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _write(
    folder: Path,
    name: str,
    image_ids: Sequence[str],
    load: Callable[[str], Pixels],
    spec: InputSpec,
    readers: int,
) -> None:
    cache = RowCache(folder)
    known = sum(image_id in cache for image_id in image_ids)

    def grid(image_id: str) -> Pixels:
        return cache[image_id] if image_id in cache else to_grid(load(image_id), spec)

    def blocks() -> Iterator[Pixels]:
        with ThreadPoolExecutor(readers) as pool:
            for start in range(0, len(image_ids), _BLOCK):
                yield np.stack(list(pool.map(grid, image_ids[start : start + _BLOCK])))

    shape = (spec.height, spec.width, spec.channels)
    cache.add(name, image_ids, blocks(), shape=shape, dtype=np.uint8)
    logger.info(
        "Put %d images on a %d×%d grid, %d of them before.", len(image_ids), *shape[:2], known
    )


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
