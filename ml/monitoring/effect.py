"""How sure a distance is: both distances are a difference of two shares.

Kolmogorov's is that of the shares below the value where they differ most, the total variation that
of the shares of all categories that became more frequent. So both take Newcombe's interval for a
difference of shares (Statistics in Medicine 17, 1998, method 10), on numbers of independent images.
Where nothing moved the place was chosen by chance, and the interval is of no use: it says how far a
signal that moved may have moved.
"""

import math

from scipy.stats import norm

Bounds = tuple[float, float]


def difference_bounds(
    first: float, second: float, worths: tuple[float, float], confidence: float
) -> Bounds:
    """Bounds of |second − first|, of shares of that many independent images each; 0…1."""
    low, high = sorted((first, second))
    of_low, of_high = worths if first <= second else worths[::-1]
    below, above = share_bounds(low, of_low, confidence), share_bounds(high, of_high, confidence)
    difference = high - low
    return (
        max(0.0, difference - math.hypot(high - above[0], below[1] - low)),
        min(1.0, difference + math.hypot(above[1] - high, low - below[0])),
    )


def share_bounds(share: float, worth: float, confidence: float) -> Bounds:
    """Wilson's bounds of a share of `worth` independent images, which need not be whole."""
    z = float(norm.ppf(0.5 + confidence / 2))
    centre = (share + z**2 / (2 * worth)) / (1 + z**2 / worth)
    half = z / (1 + z**2 / worth) * math.sqrt(share * (1 - share) / worth + (z / worth) ** 2 / 4)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
