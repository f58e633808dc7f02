"""The two distances, counted piece by piece so that a window of any size takes the same memory.

Both are the two-sample tests that Rabanser et al. (Failing Loudly, NeurIPS 2019) found to see most
shifts when run on each signal alone: Kolmogorov's for numbers, chi-square for categories. Sample
sizes are numbers of independent images, as Rao & Scott (1981) correct chi-square for clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2_contingency, kstwo

from ml.monitoring.dependence import design_effect, ranks
from ml.monitoring.effect import Bounds, difference_bounds
from ml.monitoring.results import TestName

Floats = npt.NDArray[np.float64]
NEW = "not in the reference"


@dataclass(frozen=True, slots=True)
class Tested:
    """One test. `effect` is the distance, `bounds` its interval; `reference` and `current` are for
    people."""

    test: TestName
    statistic: float
    p_value: float
    effect: float
    bounds: Bounds
    reference: float | None
    current: float | None
    reference_worth: float
    current_worth: float


class Counter(Protocol):
    """Counts a window's values, then tests them against the reference's."""

    def add(self, values: pd.Series) -> None:
        """Count more of the window; missing values are left out."""

    def test(self, worth: float, *, at_least: int, confidence: float) -> Tested | None:
        """None where the reference has no values, or the window fewer than `at_least`.

        Args:
            worth: independent images per image of the window, before groups are thought of: those
                are taken to be as alike as the reference's.
            confidence: of the effect's bounds.
        """


class ValueCounter:
    """The exact two-sample Kolmogorov–Smirnov distance, from counts at the reference's values."""

    def __init__(self, reference: pd.Series, groups: npt.NDArray[np.generic]) -> None:
        known = reference.notna().to_numpy()
        values = reference.to_numpy(dtype=np.float64)[known]
        self._points, counts = np.unique(values, return_counts=True)
        self._reference = np.cumsum(counts)
        self._mean = float(values.mean()) if len(values) else float("nan")
        self._effect = design_effect(ranks(values), groups[known]) if len(values) else 1.0
        # Below, at and between the points: a distance is largest at a point or just before one.
        self._cells = np.zeros(2 * len(self._points) + 1, np.int64)
        self._sum = 0.0

    def add(self, values: pd.Series) -> None:
        """Count more of the window."""
        numbers = values.to_numpy(dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        left = np.searchsorted(self._points, numbers, "left")
        right = np.searchsorted(self._points, numbers, "right")
        self._cells += np.bincount(left + right, minlength=len(self._cells))
        self._sum += float(numbers.sum())

    def test(self, worth: float, *, at_least: int, confidence: float) -> Tested | None:
        """Scipy's asymptotic two-sample test, on the numbers of independent images."""
        n = int(self._cells.sum())
        if n * worth < at_least or not len(self._points):
            return None
        window = np.cumsum(self._cells)[:-1] / n
        reference = np.repeat(self._reference / self._reference[-1], 2)
        reference = np.concatenate([[0.0], reference[:-1]])
        furthest = int(np.abs(window - reference).argmax())
        shares = float(reference[furthest]), float(window[furthest])
        distance = abs(shares[1] - shares[0])
        sides = float(self._reference[-1]) / self._effect, n * worth / self._effect
        joint = sides[0] * sides[1] / (sides[0] + sides[1])
        return Tested(
            test="kolmogorov_smirnov",
            statistic=float(np.sqrt(joint)) * distance,
            p_value=float(kstwo.sf(distance, max(1, round(joint)))),
            effect=distance,
            bounds=difference_bounds(*shares, sides, confidence),
            reference=self._mean,
            current=self._sum / n,
            reference_worth=sides[0],
            current_worth=sides[1],
        )


class ShareCounter:
    """The total variation distance of the shares of categories, and the chi-square test.

    `current` and `reference` count images by category, in the order of `names`.
    """

    def __init__(
        self,
        reference: pd.Series,
        groups: npt.NDArray[np.generic],
        *,
        categories: Sequence[str] | None = None,
        told: str | None = None,
    ) -> None:
        known = reference.notna().to_numpy()
        names = sorted({str(name) for name in reference[known]})
        self.names = [*(names if categories is None else categories), NEW]
        codes = self._codes(reference[known])
        self.reference = np.bincount(codes, minlength=len(self.names))
        self.current = np.zeros(len(self.names), np.int64)
        indicators = np.eye(len(self.names))[codes]
        self._effect = design_effect(indicators, groups[known]) if len(codes) else 1.0
        self._told = told

    def add(self, values: pd.Series) -> None:
        """Count more of the window; what is no category counts as one of its own."""
        self.current += np.bincount(self._codes(values.dropna()), minlength=len(self.names))

    def test(self, worth: float, *, at_least: int, confidence: float) -> Tested | None:
        """Two categories are tested with Yates's correction."""
        totals = float(self.reference.sum()), float(self.current.sum())
        if totals[1] * worth < at_least or not totals[0]:
            return None
        shares = self.reference / totals[0], self.current / totals[1]
        sides = totals[0] / self._effect, self.worth_of(worth)
        table = np.stack([share * side for share, side in zip(shares, sides, strict=True)])
        table = table[:, table.any(axis=0)]
        statistic, p_value = 0.0, 1.0
        if table.shape[1] > 1:
            statistic, p_value, *_ = chi2_contingency(table)
        told = None if self._told is None else self.names.index(self._told)
        grown = shares[1] > shares[0]
        sums = float(shares[0][grown].sum()), float(shares[1][grown].sum())
        return Tested(
            test="chi_square",
            statistic=float(statistic),
            p_value=float(p_value),
            effect=float(np.abs(shares[0] - shares[1]).sum() / 2),
            bounds=difference_bounds(*sums, sides, confidence),
            reference=None if told is None else float(shares[0][told]),
            current=None if told is None else float(shares[1][told]),
            reference_worth=sides[0],
            current_worth=sides[1],
        )

    def worth_of(self, worth: float) -> float:
        """Independent images that the window is worth, at `worth` per image; see `test`."""
        return float(self.current.sum()) * worth / self._effect

    def _codes(self, values: pd.Series) -> npt.NDArray[np.int64]:
        codes = pd.Categorical(values, categories=self.names[:-1]).codes.astype(np.int64)
        codes[codes < 0] = len(self.names) - 1
        return codes
