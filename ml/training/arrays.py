"""Stored images → one memory-mapped array on the model's grid, made once and shared."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ml.contract.bundle import InputSpec
from ml.contract.decoding import Pixels
from ml.contract.errors import NotFound
from ml.contract.preprocessing import PREPROCESSING_VERSION, to_grid

logger = logging.getLogger(__name__)

_DECODERS = 2


def grids_key(image_ids: Sequence[str], spec: InputSpec) -> str:
    """Identity of the array: the ordered images, the grid and the preprocessing."""
    content = json.dumps([PREPROCESSING_VERSION, spec.model_dump(), list(image_ids)])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def load_grids(
    image_ids: Sequence[str],
    load: Callable[[str], Pixels],
    spec: InputSpec,
    cache_folder: Path,
) -> np.memmap:
    """Read images onto the model's grid, in the order of `image_ids`.

    Args:
        load: image id → uint8 pixels; called from several threads.
        cache_folder: keeps `<key>.npy`; a finished file is reused.

    Returns:
        uint8, (n, height, width, channels), read-only and memory-mapped.

    Raises:
        NotFound: no images were asked for.
    """
    if not image_ids:
        raise NotFound("There are no images to load.", remedy="Choose a split that has images.")
    path = cache_folder / f"{grids_key(image_ids, spec)}.npy"
    if not path.is_file():
        _write(path, image_ids, load, spec)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _write(
    path: Path, image_ids: Sequence[str], load: Callable[[str], Pixels], spec: InputSpec
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part")
    shape = (len(image_ids), spec.height, spec.width, spec.channels)
    grids = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)

    def fill(position: int) -> None:
        grids[position] = to_grid(load(image_ids[position]), spec)

    try:
        with ThreadPoolExecutor(_DECODERS) as pool:
            for _ in pool.map(fill, range(len(image_ids))):
                pass
        grids.flush()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    logger.info("Put %d images on a %d×%d grid.", *shape[:3])
