"""Small pictures of every depth, smooth enough for lossy codecs."""

import numpy as np

_Y, _X = np.mgrid[0:40, 0:48]
_WAVES = (np.sin(_X / 9) + np.cos(_Y / 7) + 2) / 4

GREY = (_WAVES * 255).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
DEEP = (_WAVES * 4095).astype(np.uint16)
"""12 bits."""
SIGNED = (_WAVES * 4095 - 2048).astype(np.int16)
"""12 bits."""
FULL = (_WAVES * 65535).astype(np.uint16)
"""16 bits."""
GRADIENT = np.arange(40, 168, dtype=np.uint8).reshape(8, 16)


def noise(shape: tuple[int, ...], dtype: type[np.integer], bits: int, seed: int) -> np.ndarray:
    """Any value of so many bits, everywhere."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if np.iinfo(dtype).min else (0, 2**bits)
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)
