"""The rows that are drawn and named, of a window that may be too large to keep."""

import numpy as np
import pandas as pd

_LARGEST = float(2**64)


class Sample:
    """At most `limit` of the `expected` images, each chosen by the hash of its request's id: the
    same ones each time, whatever the order in which they come."""

    def __init__(self, limit: int, expected: int) -> None:
        self._limit = limit
        self._share = min(1.0, limit / expected) if expected else 1.0
        self._pieces: list[pd.DataFrame] = []
        self._kept = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Keep what is chosen of it, while there is room."""
        places = pd.util.hash_array(frame["request_id"].to_numpy(dtype=object)) / _LARGEST
        chosen = frame[places < self._share] if self._share < 1 else frame
        self._pieces.append(chosen.head(self._limit - self._kept))
        self._kept += len(self._pieces[-1])

    def frame(self) -> pd.DataFrame:
        """What was kept; without columns where nothing was seen."""
        return pd.concat(self._pieces, ignore_index=True) if self._pieces else pd.DataFrame()


def drawn(frame: pd.DataFrame, limit: int, *, seed: int = 20) -> pd.DataFrame:
    """At most `limit` rows at random, the same ones each time."""
    if len(frame) <= limit:
        return frame
    rows = np.sort(np.random.default_rng(seed).choice(len(frame), limit, replace=False))
    return frame.iloc[rows]
