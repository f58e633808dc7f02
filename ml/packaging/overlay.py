"""The part of the served graph that lays the members' activation maps over each other."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ml.packaging.graph_nodes import GraphNodes

Grid = tuple[int, int]


def finest_grid(maps: Mapping[str, tuple[int, ...]]) -> Grid:
    """Most rows and most columns of the members' maps, of shapes (n, rows, columns, classes)."""
    return max(shape[1] for shape in maps.values()), max(shape[2] for shape in maps.values())


def add_overlay(
    joint: GraphNodes,
    weights: Mapping[str, float],
    maps: Mapping[str, tuple[int, ...]],
    grid: Grid,
    output: str,
) -> str:
    """Add `output`: the maps of those in `weights`, brought to `grid` and added up by weight.

    Args:
        maps: shape (n, rows, columns, classes) of each member's map.
    """
    rows, columns = grid
    classes = next(iter(maps.values()))[3]
    prefix = f"{output}/overlay"
    target = joint.constant(f"{prefix}/grid", [0, rows, columns, classes], np.int64)
    layers = []
    for name, weight in weights.items():
        _, source_rows, source_columns, _ = maps[name]
        own = f"{prefix}/{name}"
        flat_shape = joint.constant(f"{own}/flat_shape", [0, -1, classes], np.int64)
        flat = joint.add("Reshape", [f"{name}/activation_map", flat_shape], f"{own}/flat")
        # Bilinear interpolation between fixed grids is one matrix: unlike Resize, whose rounding
        # and layouts differ between engines, a product means the same everywhere.
        matrix = weight * np.kron(
            interpolation_matrix(source_rows, rows), interpolation_matrix(source_columns, columns)
        )
        resize = joint.constant(f"{own}/resize", matrix)
        layers.append(joint.add("MatMul", [resize, flat], f"{own}/resized"))
    return joint.add("Reshape", [joint.add("Sum", layers, f"{prefix}/sum"), target], output)


def interpolation_matrix(source: int, target: int) -> npt.NDArray[np.float64]:
    """Linear interpolation of `source` values to `target` ones, (target, source); rows sum to 1.

    Values sit at the centres of their cells, as in ONNX's `half_pixel`.
    """
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    centres = np.clip(centres, 0, source - 1)
    distance = np.abs(centres[:, np.newaxis] - np.arange(source))
    return np.maximum(0.0, 1.0 - distance)
