"""Can so few images decide? If not, pool out-of-fold predictions or collect more."""

import numpy as np
from scipy.stats import beta, binom

from ml.evaluation.bounds import independent_images, share_lower
from ml.evaluation.gate_results import ShareEstimate, Sufficiency

_MOST_IMAGES = 100_000


def sufficiency(
    name: str,
    share: ShareEstimate,
    *,
    floor: float,
    confidence: float,
    expected: float,
    wanted_power: float = 0.8,
) -> Sufficiency:
    """Whether a test split can show that a share reaches its floor.

    Args:
        share: measured on it; only its sample size is used, not the estimate.
        confidence: of the one-sided lower bound.
        expected: the true share of a model that ought to pass.
    """
    worth = independent_images(share, confidence)
    perfect = share.model_copy(update={"estimate": 1.0})
    return Sufficiency(
        name=name,
        worth=worth,
        floor=floor,
        confidence=confidence,
        expected=expected,
        perfect_lower=share_lower(perfect, confidence),
        power=power(int(worth), floor=floor, confidence=confidence, expected=expected),
        wanted_power=wanted_power,
        needed=images_needed(
            floor=floor, confidence=confidence, expected=expected, wanted_power=wanted_power
        ),
    )


def power(n: int, *, floor: float, confidence: float, expected: float) -> float:
    """Chance that the exact lower bound of `n` independent images reaches the floor."""
    if n < 1:
        return 0.0
    # With more errors than these the estimate itself is under the floor.
    wrong = np.arange(int(n * (1 - floor)) + 2).clip(max=n)
    passes = beta.ppf(1 - confidence, n - wrong, wrong + 1) >= floor
    # The bound falls with every error, so passing counts of errors are 0 … most.
    return float(binom.cdf(int(passes.sum()) - 1, n, 1 - expected)) if passes.any() else 0.0


def images_needed(
    *, floor: float, confidence: float, expected: float, wanted_power: float
) -> int | None:
    """About the fewest independent images with this power, which rises in steps and dips between
    them; None if there are none."""
    if expected <= floor:
        return None

    def enough(n: int) -> bool:
        return power(n, floor=floor, confidence=confidence, expected=expected) >= wanted_power

    high = 8
    while not enough(high):
        high *= 2
        if high > _MOST_IMAGES:
            return None
    low = high // 2
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
