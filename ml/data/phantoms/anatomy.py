"""Layers of a made-up breast: skin, fat, gland, muscle, chest wall, and what lies in them.

All maps are float32 echo levels in dB below the brightest echo, shape (height, width).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Field = npt.NDArray[np.float32]

_LEVELS = {"skin": -6.0, "fat": -23.0, "gland": -13.0, "muscle": -20.0, "wall": -28.0}
_LEVEL_SPREAD = 3.0
_DENSITY_SPREAD = 7.0
_WAVES = 3
_LOBULES, _LIGAMENTS, _NARROW_SHADOWS, _WIDE_SHADOWS = (2, 6), (3, 7), (0, 3), (0, 3)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One patient's breast. Depths are shares of the image's height."""

    depths: npt.NDArray[np.float64]
    levels: Field
    wave_amplitudes: npt.NDArray[np.float64]
    wave_lengths: npt.NDArray[np.float64]
    texture: float


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a patient's anatomy; images of the patient share it and differ in the view."""
    depths = np.array(
        [
            rng.uniform(0.03, 0.06),
            rng.uniform(0.12, 0.36),
            rng.uniform(0.50, 0.80),
            rng.uniform(0.84, 0.95),
        ]
    )
    levels = np.array(list(_LEVELS.values())) + rng.normal(0, _LEVEL_SPREAD, len(_LEVELS))
    return Anatomy(
        depths=depths,
        levels=levels.astype(np.float32),
        wave_amplitudes=rng.uniform(0.004, 0.022, (len(depths), _WAVES)),
        wave_lengths=rng.uniform(0.5, 2.5, (len(depths), _WAVES)),
        texture=float(rng.uniform(1.5, 3.0)),
    )


def draw_tissue(anatomy: Anatomy, rng: np.random.Generator, height: int, width: int) -> Field:
    """One view of the anatomy, with lobules, ligaments and stray shadows that mean nothing."""
    y = _positions(height)[:, np.newaxis]
    x = _positions(width)[np.newaxis, :]
    tissue = _layers(anatomy, rng, y, x)
    tissue += anatomy.texture * smooth_noise(rng, height, width, cells=12)
    tissue += _DENSITY_SPREAD * smooth_noise(rng, height, width, cells=4)
    _add_lobules(tissue, rng, y, x)
    _add_ligaments(tissue, rng)
    _add_stray_shadows(tissue, rng, y, x)
    return tissue


def _positions(size: int) -> Field:
    return (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)


def smooth_noise(rng: np.random.Generator, height: int, width: int, *, cells: int) -> Field:
    """Unit-variance-like noise that varies over `1 / cells` of the image."""
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    rows = np.linspace(0, cells - 1, height, dtype=np.float32)
    columns = np.linspace(0, cells - 1, width, dtype=np.float32)
    return _interpolate(_interpolate(coarse, rows).T, columns).T


def _interpolate(values: Field, positions: Field) -> Field:
    low = np.minimum(positions.astype(np.int64), len(values) - 2)
    share = (positions - low)[:, np.newaxis]
    share = share * share * (3 - 2 * share)
    return values[low] * (1 - share) + values[low + 1] * share


def _layers(anatomy: Anatomy, rng: np.random.Generator, y: Field, x: Field) -> Field:
    tilt = rng.uniform(-0.06, 0.06)
    phases = rng.uniform(0, 2 * np.pi, anatomy.wave_amplitudes.shape)
    shift = rng.normal(0, 0.015, len(anatomy.depths))
    tissue = np.full((y.shape[0], x.shape[1]), anatomy.levels[0], np.float32)
    for layer, depth in enumerate(anatomy.depths):
        waves = 2 * np.pi * anatomy.wave_lengths[layer][:, np.newaxis] * x
        line = (
            anatomy.wave_amplitudes[layer][:, np.newaxis]
            * np.sin(waves + phases[layer][:, np.newaxis])
        ).sum(axis=0)
        if layer > 0:  # the skin lies flat against the probe
            line = line + shift[layer] + tilt * (x[0] - 0.5)
        below = np.clip((y - (depth + line).astype(np.float32)) * 60 + 0.5, 0, 1)
        tissue += below * (anatomy.levels[layer + 1] - tissue)
    muscle_striae = np.sin(2 * np.pi * (y * 38 + tilt * x * 38))
    deep = np.clip((y - anatomy.depths[2].astype(np.float32)) * 20, 0, 1)
    return (tissue + 1.5 * deep * muscle_striae).astype(np.float32)


def _add_lobules(tissue: Field, rng: np.random.Generator, y: Field, x: Field) -> None:
    for _ in range(rng.integers(*_LOBULES)):
        centre_y, centre_x = rng.uniform(0.12, 0.8), rng.uniform(0, 1)
        half_height, half_width = rng.uniform(0.02, 0.05), rng.uniform(0.03, 0.07)
        rows = slice(*_window(centre_y, 1.5 * half_height, y.shape[0]))
        columns = slice(*_window(centre_x, 1.5 * half_width, x.shape[1]))
        rho = np.hypot((y[rows] - centre_y) / half_height, (x[:, columns] - centre_x) / half_width)
        inside = np.clip((1 - rho) * 6 + 0.5, 0, 1)
        septum = np.exp(-np.square((rho - 1.1) * 8))
        tissue[rows, columns] += septum * 3 - inside * rng.uniform(3, 7)


def _window(centre: float, half: float, size: int) -> tuple[int, int]:
    return max(0, int((centre - half) * size)), min(size, int((centre + half) * size) + 1)


def _add_ligaments(tissue: Field, rng: np.random.Generator) -> None:
    lines = np.zeros_like(tissue)
    height, width = tissue.shape
    for _ in range(rng.integers(*_LIGAMENTS)):
        t = np.linspace(0, 1, 2 * width, dtype=np.float32)
        start, slope, bend = (
            rng.uniform(0.08, 0.7),
            rng.uniform(-0.35, 0.35),
            rng.uniform(-0.3, 0.3),
        )
        left = rng.uniform(-0.2, 0.8)
        rows = ((start + slope * t + bend * t * (1 - t)) * height).astype(np.int64)
        columns = ((left + rng.uniform(0.25, 0.6) * t) * width).astype(np.int64)
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        lines[rows[seen], columns[seen]] = rng.uniform(8, 16)
    tissue += ndimage.uniform_filter(lines, 3)


def _add_stray_shadows(tissue: Field, rng: np.random.Generator, y: Field, x: Field) -> None:
    """Narrow ones behind ligaments, and wide ones where the probe touches badly or gas lies."""
    for _ in range(rng.integers(*_NARROW_SHADOWS)):
        _shade(tissue, rng, y, x, half_width=rng.uniform(0.015, 0.05), depth=rng.uniform(0.05, 0.6))
    for _ in range(rng.integers(*_WIDE_SHADOWS)):
        _shade(tissue, rng, y, x, half_width=rng.uniform(0.08, 0.16), depth=rng.uniform(0.0, 0.7))


def _shade(
    tissue: Field, rng: np.random.Generator, y: Field, x: Field, *, half_width: float, depth: float
) -> None:
    lean = rng.uniform(-0.15, 0.15) * (y - depth)
    across = (x - rng.uniform(0, 1) - lean) / half_width
    strength = rng.uniform(4, 12)
    tissue -= strength * np.exp(-np.square(across)) * np.clip((y - depth) * 5, 0, 1)
