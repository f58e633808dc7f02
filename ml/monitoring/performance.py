"""How good the answers were, where people sent the true label back.

The images labelled are those that somebody looked at again, not a random sample: the numbers warn,
they do not certify. An image that was sent several times is a group: it tells once.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t

from ml.evaluation.bounds import (
    estimate_mean,
    estimate_share,
    share_lower,
    totals_by_group,
    typical_size,
)
from ml.evaluation.calibration import gaps_by_bin
from ml.evaluation.results import Interval
from ml.monitoring.reference import TRUTH, label_indices
from ml.monitoring.results import MeasuredPerformance
from ml.monitoring.windows import ANSWER, score_matrix

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
_DELAY_QUANTILES = (0.5, 0.95)


class Labelled:
    """Labelled answers in a few bytes each.

    `scores` (n, labels), `answers` and `truth` (n,) by place in the bundle, `groups` (n,) equal for
    equal images, `delay_hours` (n,).
    """

    def __init__(self, frames: Iterable[pd.DataFrame], labels: list[str]) -> None:
        pieces = [_compact(frame, labels) for frame in frames]
        scores, codes, groups, delays = (
            [piece[index] for piece in pieces] for index in range(4)
        )  # fmt: skip
        self.scores = np.concatenate([np.empty((0, len(labels)), np.float32), *scores])
        answered = np.concatenate([np.empty((0, 2), np.int64), *codes])
        self.answers, self.truth = answered[:, 0], answered[:, 1]
        self.groups: Groups = np.concatenate([np.empty(0, np.int64), *groups])
        self.delay_hours = np.concatenate([np.empty(0), *delays])

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def effective(self) -> float:
        """Independent images these are worth (Kish 1965)."""
        _, sizes = np.unique(self.groups, return_counts=True)
        return float(len(self) ** 2 / np.square(sizes).sum()) if len(self) else 0.0


def measure_performance(
    labelled: Labelled,
    *,
    answered: int,
    labels: list[str],
    critical_label: str,
    confidence: float,
    min_labelled: int,
) -> MeasuredPerformance:
    """Hold answers against their labels; intervals are those of the gates, on both sides."""
    critical = labels.index(critical_label)
    is_critical, said = labelled.truth == critical, labelled.answers == critical
    right = labelled.answers == labelled.truth
    enough = labelled.effective >= min_labelled
    delays = np.quantile(labelled.delay_hours, _DELAY_QUANTILES) if len(labelled) else None

    def share(hits: npt.NDArray[np.bool_], rows: npt.NDArray[np.bool_]) -> Interval | None:
        if not enough or not rows.any():
            return None
        return share_interval(hits[rows], labelled.groups[rows], confidence)

    everywhere = np.ones(len(labelled), dtype=bool)
    return MeasuredPerformance(
        state="ok" if enough else "insufficient",
        answered=answered,
        labelled=len(labelled),
        critical_labelled=int(is_critical.sum()),
        accuracy=share(right, everywhere),
        critical_sensitivity=share(said, is_critical),
        critical_specificity=share(~said, ~is_critical),
        calibration_error=_calibration_error(labelled, confidence) if enough else None,
        overconfidence=_overconfidence(labelled, right, confidence) if enough else None,
        label_delay_hours=None if delays is None else float(delays[0]),
        label_delay_hours_95=None if delays is None else float(delays[1]),
        reason=(
            f"{len(labelled)} of {answered} answers have a label, {int(is_critical.sum())} of them "
            f"{critical_label}" + ("" if enough else f"; {min_labelled} needed to judge")
        ),
    )


def share_interval(hits: npt.NDArray[np.bool_], groups: Groups, confidence: float) -> Interval:
    """A share with the bounds by which gates judge (`ml.evaluation.bounds`), on both sides."""
    one_sided = (1 + confidence) / 2
    wrong = np.array([0.0, typical_size(groups)])

    def lower(values: npt.NDArray[np.bool_]) -> float:
        totals = totals_by_group(np.stack([values, np.ones(len(values))], axis=1), groups)
        return share_lower(
            estimate_share(lambda sums: sums[..., 0] / sums[..., 1], totals, wrong, len(values)),
            one_sided,
        )

    estimate = float(hits.mean())
    return Interval(
        estimate=estimate,
        lower=min(lower(hits), estimate),
        upper=max(1 - lower(~hits), estimate),
        n=len(hits),
    )


def _calibration_error(labelled: Labelled, confidence: float) -> Interval:
    gaps = gaps_by_bin(labelled.scores, labelled.truth)
    return _mean_interval(
        lambda sums: np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1],
        gaps, labelled.groups, confidence, lowest=0.0,
    )  # fmt: skip


def _overconfidence(
    labelled: Labelled, right: npt.NDArray[np.bool_], confidence: float
) -> Interval:
    own = labelled.scores[np.arange(len(labelled)), labelled.answers].astype(np.float64)
    return _mean_interval(
        lambda sums: sums[..., 0] / sums[..., -1],
        (own - right)[:, np.newaxis], labelled.groups, confidence, lowest=-1.0,
    )  # fmt: skip


def _mean_interval(
    statistic: Callable[[Floats], Floats],
    values: Floats,
    groups: Groups,
    confidence: float,
    *,
    lowest: float,
) -> Interval:
    totals = totals_by_group(np.column_stack([values, np.ones(len(values))]), groups)
    mean = estimate_mean(statistic, totals, len(values))
    reach = float(t.ppf((1 + confidence) / 2, max(1, mean.groups - 1))) * mean.standard_error
    return Interval(
        estimate=mean.estimate,
        lower=max(lowest, mean.estimate - reach),
        upper=min(1.0, mean.estimate + reach),
        n=len(values),
    )


def _compact(
    frame: pd.DataFrame, labels: list[str]
) -> tuple[npt.NDArray[np.float32], Groups, Groups, Floats]:
    codes = np.stack(
        [label_indices(frame[ANSWER], labels), label_indices(frame[TRUTH], labels)], axis=1
    )
    images = pd.util.hash_array(frame["image_id"].to_numpy(dtype=object)).astype(np.int64)
    delays = frame["delay_hours"].to_numpy(dtype=np.float64)
    return score_matrix(frame, labels).astype(np.float32), codes, images, delays
