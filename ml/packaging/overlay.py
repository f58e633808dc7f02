"""The part of the served graph that lays the members' activation maps over each other."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ml.packaging.graph_nodes import GraphNodes


def add_overlay(
    joint: GraphNodes, weights: Mapping[str, float], maps: Mapping[str, tuple[int, ...]]
) -> tuple[int, int]:
    """Add `activation_map`: bring every map to the finest grid and add them up, by their weights.

    Args:
        maps: shape (n, rows, columns, classes) of each member's map.

    Returns:
        Rows and columns of the finest grid.
    """
    rows = max(shape[1] for shape in maps.values())
    columns = max(shape[2] for shape in maps.values())
    classes = next(iter(maps.values()))[3]
    target = joint.constant("overlay/grid", [0, rows, columns, classes], np.int64)
    layers = []
    for name, (_, source_rows, source_columns, _) in maps.items():
        prefix = f"overlay/{name}"
        flat_shape = joint.constant(f"{prefix}/flat_shape", [0, -1, classes], np.int64)
        flat = joint.add("Reshape", [f"{name}/activation_map", flat_shape], f"{prefix}/flat")
        # Bilinear interpolation between fixed grids is one matrix: unlike Resize, whose rounding
        # and layouts differ between engines, a product means the same everywhere.
        matrix = weights[name] * np.kron(
            interpolation_matrix(source_rows, rows), interpolation_matrix(source_columns, columns)
        )
        resize = joint.constant(f"{prefix}/resize", matrix)
        layers.append(joint.add("MatMul", [resize, flat], f"{prefix}/resized"))
    joint.add("Reshape", [joint.add("Sum", layers, "overlay/sum"), target], "activation_map")
    return rows, columns


def interpolation_matrix(source: int, target: int) -> npt.NDArray[np.float64]:
    """Linear interpolation of `source` values to `target` ones, (target, source); rows sum to 1.

    Values sit at the centres of their cells, as in ONNX's `half_pixel`.
    """
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    centres = np.clip(centres, 0, source - 1)
    distance = np.abs(centres[:, np.newaxis] - np.arange(source))
    return np.maximum(0.0, 1.0 - distance)
