"""Features → a few whitened components, by which drift and unfamiliar images are seen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]

# Components of a PCA on few rows describe those rows: keep several rows per component.
_ROWS_PER_COMPONENT = 4
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True, slots=True)
class Projection:
    """`embedding = (features − mean) @ components`; `mean` (k,), `components` (k, components)."""

    mean: Floats32
    components: Floats32

    def apply(self, features: npt.NDArray[np.floating]) -> Floats32:
        """Project features of shape (n, k)."""
        return ((features - self.mean) @ self.components).astype(np.float32)


def fit_projection(blocks: list[npt.NDArray[np.floating]], components: int) -> Projection:
    """PCA whitening: components have mean 0 and variance 1 on the given rows.

    Args:
        blocks: one (n, k_m) array of features per member, over the same rows. Each block is
            scaled to unit total variance, so that no member drowns the others.
        components: how many at most; fewer when the rows do not carry as many.
    """
    mean = np.concatenate([block.mean(axis=0) for block in blocks]).astype(np.float64)
    scale = np.concatenate(
        [np.full(block.shape[1], max(_total_deviation(block), _NEGLIGIBLE)) for block in blocks]
    )
    centred = (np.concatenate(blocks, axis=1) - mean) / scale
    rows = len(centred)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    carried = int(np.sum(singular > _NEGLIGIBLE * max(float(singular[0]), _NEGLIGIBLE)))
    kept = max(1, min(components, rows // _ROWS_PER_COMPONENT, carried))
    deviations = np.maximum(singular[:kept], _NEGLIGIBLE) / np.sqrt(rows)
    weights = directions[:kept].T / deviations / scale[:, np.newaxis]
    return Projection(mean.astype(np.float32), weights.astype(np.float32))


def _total_deviation(block: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(block.var(axis=0).sum()))
