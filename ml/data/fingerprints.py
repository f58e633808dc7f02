"""A large set of file fingerprints in 16 bytes each, where a set of strings takes a hundred."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_BYTES = 16
_RECENT = 1 << 16


class Fingerprints:
    """Which files were seen. Of some 2^64 files two would be taken for one.

    Keeps sorted arrays, and what is not sorted in yet.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._sorted: list[npt.NDArray[np.bytes_]] = []
        self._recent: set[bytes] = set()
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Remember a fingerprint."""
        self._recent.add(_short(name))
        if len(self._recent) == _RECENT:
            self._sort_in()

    def __contains__(self, name: object) -> bool:
        """Whether a fingerprint was added."""
        short = _short(str(name))
        return short in self._recent or any(_holds(run, short) for run in self._sorted)

    def _sort_in(self) -> None:
        """Runs at least double in length, so that each entry is sorted a few times only."""
        fresh = np.sort(np.array(list(self._recent), dtype=f"S{_BYTES}"))
        self._recent.clear()
        while self._sorted and len(self._sorted[-1]) <= len(fresh):
            fresh = np.sort(np.concatenate([self._sorted.pop(), fresh]))
        self._sorted.append(fresh)


def _short(name: str) -> bytes:
    # Numpy's fixed-length bytes cannot end in a zero.
    return hashlib.blake2b(name.encode(), digest_size=_BYTES).digest().replace(b"\0", b"\1")


def _holds(run: npt.NDArray[np.bytes_], short: bytes) -> bool:
    place = np.searchsorted(run, np.bytes_(short))
    return bool(place < len(run) and run[place] == short)
