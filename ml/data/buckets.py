"""Close pairs among rows that share a key: what every search for near-duplicates compares."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

Indices = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint32]
Candidates = tuple[Indices, Indices]

CROWD = 64
"""Of more images than this that are linked with one another, not every pair is looked for."""

_PAIRS_AT_ONCE = 1 << 18
_HUBS = 8


def close_pairs(
    tables: Iterable[Keys],
    are_close: Callable[[Indices, Indices], npt.NDArray[np.bool_]],
    *,
    owners: Indices,
    crowd: int = CROWD,
) -> Indices:
    """Pairs of images with rows that share a key in one of the tables and are close.

    Thousands of nearly equal images would make millions of pairs. Once more than `crowd` images are
    linked, they are not compared with one another any more: what is linked with what stays the
    same, and neither time nor memory grows with the square of their number.

    Args:
        tables: keys of the same rows in each, uint32 (rows,).
        are_close: which pairs of rows, given as two arrays, count; bool (pairs,).
        owners: int64 (rows,), the image that a row describes, from 0.

    Returns:
        int64 (m, 2), lower image first, each pair once, in order.
    """
    if not len(owners):
        return np.empty((0, 2), np.int64)
    images = int(owners.max()) + 1
    codes = np.empty(0, np.int64)
    crowds: Indices | None = None

    def compare(candidates: Iterable[Candidates]) -> None:
        nonlocal codes, crowds
        fresh = [codes]
        for first, second in candidates:
            counted = (owners[first] != owners[second]) & are_close(first, second)
            pair = np.sort([owners[first[counted]], owners[second[counted]]], axis=0)
            fresh.append(pair[0] * images + pair[1])
        known, codes = len(codes), np.unique(np.concatenate(fresh))
        if len(codes) > known:
            found = _crowds(codes // images, codes % images, images, crowd)
            crowds = None if found is None else found[owners]

    for keys in tables:
        buckets = _sorted(keys, crowds)
        spokes = list(_spokes(buckets, crowd))
        if spokes:
            compare(spokes)
            buckets = _sorted(keys, crowds)
        compare(_pairs(buckets))
    return np.column_stack([codes // images, codes % images])


class _Buckets(NamedTuple):
    """Rows ordered by key and then crowd, and, for each place in this order, where the rows of its
    key end and where those of its crowd among them do. int64, (n,) each."""

    rows: Indices
    key_ends: Indices
    crowd_ends: Indices


def _sorted(keys: Keys, crowds: Indices | None) -> _Buckets:
    if crowds is None:
        # Keys and rows as one number: sorting it is several times as fast as argsort.
        both = np.sort(
            keys.astype(np.uint64) << np.uint64(32) | np.arange(len(keys), dtype=np.uint64)
        )
        rows = (both & np.uint64(2**32 - 1)).astype(np.int64)
        other_crowd = np.ones(max(len(keys) - 1, 0), np.bool_)
    else:
        rows = np.lexsort((crowds, keys))
        other_crowd = np.diff(crowds[rows]) != 0
    ordered = keys[rows]
    other_key = ordered[1:] != ordered[:-1]
    return _Buckets(rows, _ends(other_key), _ends(other_key | other_crowd))


def _ends(changes: npt.NDArray[np.bool_]) -> Indices:
    """Where each row's run ends, from where runs change, (n − 1,)."""
    bounds = np.append(np.flatnonzero(changes) + 1, len(changes) + 1)
    return np.repeat(bounds, np.diff(bounds, prepend=0))


def _pairs(buckets: _Buckets) -> Iterator[Candidates]:
    """All pairs of one key and two crowds, in pieces of about 2^18 pairs and at most n more."""
    later = buckets.key_ends - buckets.crowd_ends
    starts = np.flatnonzero(later)
    counts = later[starts]
    pieces = np.cumsum(counts) // _PAIRS_AT_ONCE
    for piece in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(pieces)) + 1):
        many = counts[piece]
        first = np.repeat(starts[piece], many)
        step = np.arange(len(first)) - np.repeat(np.cumsum(many) - many, many)
        yield buckets.rows[first], buckets.rows[buckets.crowd_ends[first] + step]


def _spokes(buckets: _Buckets, crowd: int) -> Iterator[Candidates]:
    """Pairs of a few rows of every large bucket with all of it: they link a crowd that it hides."""
    ends = buckets.key_ends[np.flatnonzero(np.diff(buckets.key_ends, append=0))]
    sizes = np.diff(ends, prepend=0)
    for end, size in zip(ends[sizes > crowd], sizes[sizes > crowd], strict=True):
        bucket = slice(end - size, end)
        if len(np.unique(buckets.crowd_ends[bucket])) <= crowd:
            continue  # most of it is of one crowd already
        rows = buckets.rows[bucket]
        for hub in np.unique(np.linspace(0, size - 1, _HUBS, dtype=np.int64)):
            yield np.full(size, rows[hub]), rows


def _crowds(first: Indices, second: Indices, images: int, crowd: int) -> Indices | None:
    """Each image's own number, or one for its whole crowd; None where there is no crowd."""
    links = sparse.coo_array(
        (np.ones(len(first), np.int8), (first, second)), shape=(images, images)
    )
    components = csgraph.connected_components(links, directed=False)[1].astype(np.int64)
    large = np.bincount(components)[components] > crowd
    return np.where(large, images + components, np.arange(images)) if large.any() else None
