"""Lesions: a benign one is a smooth oval, a malignant one an irregular star with a shadow.

What tells them apart is shape, margin and what lies behind; darkness, size and place are drawn
from the same ranges, so that no single pixel or brightness gives the label away.
"""

import numpy as np
import numpy.typing as npt

from ml.data.phantoms.anatomy import Field

_DARKENING = (22.0, 30.0)


def add_benign(tissue: Field, rng: np.random.Generator) -> None:
    """Wider than tall, sharply bounded, thin bright capsule, slightly brighter behind."""
    half_width = rng.uniform(0.14, 0.22)
    half_height = half_width / rng.uniform(1.35, 1.8)
    across, down, theta, radius = _lesion_frame(tissue, rng, half_width, half_height)
    phase = rng.uniform(0, 2 * np.pi)
    rho = radius / (1 + rng.uniform(0, 0.05) * np.cos(3 * theta + phase))
    inside = _step((1 - rho) * 12)
    _brighten_behind(tissue, across, down, half_width, half_height, rng.uniform(3, 6))
    _darken(tissue, inside, rng)
    tissue += rng.uniform(3, 7) * np.exp(-np.square((rho - 1.08) * 14))


def add_malignant(tissue: Field, rng: np.random.Generator) -> None:
    """Taller than wide, spiculated, blurred margin with a bright halo, shadow behind."""
    half_height = rng.uniform(0.15, 0.22)
    half_width = half_height / rng.uniform(1.2, 1.6)
    across, down, theta, radius = _lesion_frame(tissue, rng, half_width, half_height)
    inside_radius = _star(theta, rng)
    rho = radius / inside_radius
    inside = _step((1 - rho) * 5)
    shadow = -rng.uniform(13, 20)
    _brighten_behind(tissue, across, down, half_width, half_height, shadow)
    halo = np.exp(-np.square((radius - 1.35) * 3)) * (1 - inside)
    tissue += rng.uniform(2, 5) * halo * np.clip(1 - down / half_height, 0, 1)
    _darken(tissue, inside, rng)


def _lesion_frame(
    tissue: Field, rng: np.random.Generator, half_width: float, half_height: float
) -> tuple[Field, Field, Field, Field]:
    """Distances across and down from a random centre (shares of the width), angle, radius."""
    height, width = tissue.shape
    margin = half_width * 1.1
    centre_x = rng.uniform(margin, 1 - margin)
    reach = half_height * width / height
    centre_y = rng.uniform(min(0.14 + reach, 0.5), max(0.78 - reach, 0.5))
    down = ((np.arange(height) + 0.5 - centre_y * height) / width).astype(np.float32)[:, np.newaxis]
    across = ((np.arange(width) + 0.5) / width - centre_x).astype(np.float32)[np.newaxis, :]
    turn = rng.uniform(-0.26, 0.26)
    u = (across * np.cos(turn) + down * np.sin(turn)) / half_width
    v = (down * np.cos(turn) - across * np.sin(turn)) / half_height
    return across, down, np.arctan2(v, u).astype(np.float32), np.hypot(u, v).astype(np.float32)


def _star(theta: Field, rng: np.random.Generator) -> Field:
    spikes = int(rng.integers(7, 12))
    phase = rng.uniform(0, 2 * np.pi, 3)
    wave = 0.5 + 0.5 * np.cos(spikes * theta + phase[0] + 0.6 * np.sin(2 * theta + phase[1]))
    uneven = 1 + 0.12 * np.cos(2 * theta + phase[2]) + 0.08 * np.cos(3 * theta + phase[1])
    return np.asarray((0.75 + rng.uniform(0.5, 0.8) * wave**2) * uneven, dtype=np.float32)


def _step(values: npt.NDArray[np.floating]) -> Field:
    """0 below −½, 1 above ½, straight between."""
    return np.clip(values + 0.5, 0, 1).astype(np.float32)


def _darken(tissue: Field, inside: Field, rng: np.random.Generator) -> None:
    height = tissue.shape[0]
    around = float(tissue[height // 4 : height // 2 + height // 4].mean())
    level = min(around, -14.0) - rng.uniform(*_DARKENING)
    tissue += inside * (level - tissue) * 0.85


def _brighten_behind(
    tissue: Field,
    across: Field,
    down: Field,
    half_width: float,
    half_height: float,
    decibel: float,
) -> None:
    column = _step((1 - np.abs(across) / half_width) * 4)
    behind = np.clip((down / half_height - 0.3) * 2, 0, 1) * np.clip(1.4 - down, 0.3, 1)
    tissue += decibel * column * behind
