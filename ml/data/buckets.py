"""Pairs of rows that share a key: the candidates of every search for near-duplicates."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

_PAIRS_AT_ONCE = 1 << 18


def pairs_of_equals(keys: npt.NDArray[Any]) -> Iterator[tuple[Indices, Indices]]:
    """All index pairs of equal keys, each once, in pieces of about 2^18 pairs and at most n more.

    Args:
        keys: (n,), of any sortable dtype.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    # How many rows with the same key come after each in the order.
    later = np.searchsorted(ordered, ordered, side="right") - np.arange(len(keys)) - 1
    starts = np.flatnonzero(later)
    counts = later[starts]
    pieces = np.cumsum(counts) // _PAIRS_AT_ONCE
    for piece in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(pieces)) + 1):
        many = counts[piece]
        first = np.repeat(starts[piece], many)
        step = np.arange(len(first)) - np.repeat(np.cumsum(many) - many, many)
        yield order[first], order[first + step + 1]
