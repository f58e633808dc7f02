"""The same numbers for parts of the images: one site, one scanner, one age band, one size."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.evaluation.intervals import share_by_group
from ml.evaluation.results import Interval, SliceResult
from ml.params import EvaluationParams

_AGE_EDGES = (0, 40, 55, 70, 200)
_AGE_NAMES = ("0–39", "40–54", "55–69", "70+")
# Of the shorter side, in pixels: about a thumbnail, a screenshot, an export, an original.
_SIDE_EDGES = (0, 256, 512, 1024, 1 << 20)
_SIDE_NAMES = ("under 256 px", "256–511 px", "512–1023 px", "1024 px and more")
_UNKNOWN = "unknown"


def slice_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Slice values per image as text, from dataset rows with site, scanner, sex, age, and width
    and height in pixels.

    A missing value becomes `unknown`: images without metadata are a slice of their own.
    """
    frame = pd.DataFrame(index=rows.index)
    for name in ("site", "scanner", "sex"):
        if name in rows:
            frame[name] = rows[name].astype("object").where(rows[name].notna(), _UNKNOWN)
    if "age" in rows:
        ages = pd.to_numeric(rows["age"], errors="coerce")
        frame["age_band"] = _bands(ages, _AGE_EDGES, _AGE_NAMES)
    if {"width", "height"} <= set(rows.columns):
        frame["image_size"] = _bands(
            rows[["width", "height"]].min(axis=1), _SIDE_EDGES, _SIDE_NAMES
        )
    return frame


def _bands(values: pd.Series, edges: tuple[int, ...], names: tuple[str, ...]) -> pd.Series:
    bands = pd.cut(values, list(edges), right=False, labels=list(names))
    return bands.astype("object").where(bands.notna(), _UNKNOWN)


def evaluate_slices(
    slices: pd.DataFrame,
    right: npt.NDArray[np.bool_],
    critical: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.generic],
    params: EvaluationParams,
) -> list[SliceResult]:
    """Accuracy and critical sensitivity per value of each column.

    Args:
        slices: one column per dimension, one row per image; missing values are not a slice.
        right: (n,) whether the answer was right.
        critical: (n,) whether the true label is the critical one.
        groups: (n,) group of each image.
    """
    results = []
    for dimension in slices.columns:
        values = slices[dimension].to_numpy()
        for value in sorted({str(v) for v in values[pd.notna(values)]}):
            inside = np.array([str(v) == value for v in values], dtype=bool)
            results.append(_one_slice(dimension, value, inside, right, critical, groups, params))
    return results


def _one_slice(
    dimension: str,
    value: str,
    inside: npt.NDArray[np.bool_],
    right: npt.NDArray[np.bool_],
    critical: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.generic],
    params: EvaluationParams,
) -> SliceResult:
    critical_inside = inside & critical
    enough = int(inside.sum()) >= params.min_slice_images

    def share(rows: npt.NDArray[np.bool_]) -> Interval | None:
        if not enough or not rows.any():
            return None
        return share_by_group(
            right[rows],
            groups[rows],
            rounds=params.bootstrap_rounds,
            confidence=params.confidence,
            seed=params.seed,
        )

    return SliceResult(
        dimension=dimension,
        value=value,
        n=int(inside.sum()),
        critical_n=int(critical_inside.sum()),
        state="ok" if enough else "insufficient",
        accuracy=share(inside),
        critical_sensitivity=share(critical_inside),
    )
