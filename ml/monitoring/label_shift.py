"""The mix of true labels in a window without labels: black-box shift estimation.

If nothing but the mix of labels changed, the shares of answers are those that the reference's
confusion matrix makes of the new mix (Lipton, Wang & Smola, Detecting and Correcting for Label
Shift with Black Box Predictors, ICML 2018). Both sides are resampled: the reference by group.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.stats import chi2

from ml.evaluation.bounds import totals_by_group
from ml.evaluation.results import Interval
from ml.monitoring.distance import Tested
from ml.monitoring.results import LabelPrevalence, LabelShift

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_ROUNDS = 500
_SEED = 20
_MIN_LABEL_IMAGES = 10
# Of the matrix of answers given each true label: 1 tells all labels apart, 0 some not at all.
_MIN_SINGULAR_VALUE = 0.2
_SUM_WEIGHT = 1e3


def estimate_label_shift(
    answers: Ints,
    truth: Ints,
    groups: npt.NDArray[np.generic],
    window: Ints,
    *,
    window_worth: float,
    labels: Sequence[str],
    confidence: float,
) -> tuple[LabelShift, Tested | None]:
    """Estimate the window's mix of labels, and test whether it is the reference's.

    The test is Wald's on the differences of shares, whose covariance is that of the resamples.

    Args:
        answers: (n,) label answered for each reference image, by its place in `labels`.
        truth: (n,) its true label, likewise.
        groups: (n,) group of each reference image.
        window: (labels,) number of answers of the window.
        window_worth: independent images that the window is worth.

    Returns:
        The estimate, and the test where the state is `ok`.
    """
    size = len(labels)
    confusion = totals_by_group(np.eye(size * size)[answers * size + truth], groups)
    images = np.bincount(truth, minlength=size)
    if images.min() < _MIN_LABEL_IMAGES or not window.sum():
        rare = ", ".join(f"{name} ({n})" for name, n in zip(labels, images, strict=True))
        return _unknown("insufficient", f"reference images by label: {rare}; "
                        f"{_MIN_LABEL_IMAGES} of each are needed"), None  # fmt: skip
    observed = confusion.sum(axis=0).reshape(size, size)
    smallest = float(np.linalg.svd(observed / observed.sum(axis=0), compute_uv=False)[-1])
    if smallest < _MIN_SINGULAR_VALUE:
        return _unknown(
            "unidentifiable",
            "the answers do not tell the labels apart well enough "
            f"(smallest singular value {smallest:.2f}, {_MIN_SINGULAR_VALUE} needed)",
        ), None
    shares = window / window.sum()
    before, now = observed.sum(axis=0) / observed.sum(), _mix(observed, shares)
    drawn = [
        (matrix, share)
        for matrix, share in _resamples(confusion, shares, window_worth, size)
        if matrix.sum(axis=0).min() > 0
    ]
    mixes = np.array([_mix(matrix, share) for matrix, share in drawn])
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    lower, upper = np.quantile(mixes, tails, axis=0)
    worth = round(window_worth)
    prevalence = [
        LabelPrevalence(
            label=label,
            reference=float(before[index]),
            current=Interval(
                estimate=float(now[index]),
                lower=float(min(lower[index], now[index])),
                upper=float(max(upper[index], now[index])),
                n=worth,
            ),
        )
        for index, label in enumerate(labels)
    ]
    statistic, p_value = _wald(observed, shares, drawn)
    grown = now > before
    moves = (mixes - [matrix.sum(axis=0) / matrix.sum() for matrix, _ in drawn])[:, grown]
    nearest, furthest = np.clip(np.quantile(moves.sum(axis=1), tails), 0, 1)
    effect = float(np.abs(now - before).sum() / 2)
    return LabelShift(
        state="ok", prevalence=prevalence, reason="holds if only the mix of labels changed"
    ), Tested(
        test="wald",
        statistic=statistic,
        p_value=p_value,
        effect=effect,
        bounds=(float(min(nearest, effect)), float(max(furthest, effect))),
        reference=None,
        current=None,
        reference_worth=float(len(confusion)),
        current_worth=window_worth,
    )


def _unknown(state: str, reason: str) -> LabelShift:
    return LabelShift.model_validate({"state": state, "prevalence": [], "reason": reason})


def _mix(confusion: Floats, shares: Floats) -> Floats:
    """The mix whose answers come closest to `shares`, among those that are mixes."""
    given = confusion / confusion.sum(axis=0)
    system = np.vstack([given, np.full(len(given), _SUM_WEIGHT)])
    mix, _ = nnls(system, np.append(shares, _SUM_WEIGHT))
    return mix / mix.sum()


def _resamples(
    confusion: Floats, shares: Floats, worth: float, size: int
) -> list[tuple[Floats, Floats]]:
    rng = np.random.default_rng(_SEED)
    answered = rng.multinomial(max(1, round(worth)), shares, size=_ROUNDS) / max(1, round(worth))
    groups = len(confusion)
    matrices = [
        (rng.multinomial(groups, np.full(groups, 1 / groups)) @ confusion).reshape(size, size)
        for _ in range(_ROUNDS)
    ]
    return list(zip(matrices, answered, strict=True))


def _wald(
    observed: Floats, shares: Floats, drawn: Sequence[tuple[Floats, Floats]]
) -> tuple[float, float]:
    """Of the differences of all labels but the last, which follows from them."""

    def difference(matrix: Floats, answered: Floats) -> Floats:
        given = matrix / matrix.sum(axis=0)
        mix = np.linalg.lstsq(given, answered, rcond=None)[0]
        return (mix - matrix.sum(axis=0) / matrix.sum())[:-1]

    differences = np.array([difference(matrix, share) for matrix, share in drawn])
    covariance = np.atleast_2d(np.cov(differences.T))
    seen = difference(observed, shares)
    statistic = float(seen @ np.linalg.pinv(covariance) @ seen)
    return statistic, float(chi2.sf(statistic, len(seen)))
