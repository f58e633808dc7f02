"""Twins: images of the same picture, however resized, recompressed, mirrored or a little cropped.

Search: M. Charikar, Similarity Estimation Techniques from Rounding Algorithms, STOC 2002 (random
hyperplanes). Whether a pair is found depends on this pair alone, so a twin that was found once is
found again in every later dataset; a graph index such as HNSW does not promise that.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.appearance import DESCRIPTOR_BYTES, Descriptors, cropped, mirrored
from ml.data.buckets import Indices, close_pairs

LOWEST_SIMILARITY = 0.9
"""Below it the search misses too many pairs."""

# Two descriptors at angle a share a table's key with probability (1 − a / π) ^ bits. One of the
# tables then shows a pair at similarity 0.9, 0.93, 0.95 or 0.97 with a probability of 0.90, 0.99,
# 0.9996 or 1; mirrored and cropped twins have two chances. Few bits would compare too many
# strangers.
_TABLES, _KEY_BITS = 96, 24
_SEED = 20
_TABLES_AT_ONCE, _ROWS_AT_ONCE = 8, 20_000  # the fastest product of matrices

_Units = npt.NDArray[np.float32]


def twin_pairs(descriptors: Descriptors, min_similarity: float) -> Indices:
    """Pairs of images whose descriptors agree, as they are, or with one of them mirrored, cropped a
    little, or both.

    Args:
        descriptors: int8, (n, `DESCRIPTOR_BYTES`); rows of zeros have no twins.
        min_similarity: cosine from which two descriptors agree, `LOWEST_SIMILARITY`…1.

    Returns:
        int64 (m, 2), lower index first, each pair once; of images with equal descriptors, only
        the first is paired with others, and of a crowd of look-alikes only as many as link it.
    """
    _, firsts, inverse = np.unique(
        np.ascontiguousarray(descriptors).view(f"V{DESCRIPTOR_BYTES}").ravel(),
        return_index=True,
        return_inverse=True,
    )
    described = np.asarray(descriptors[firsts].any(axis=1))
    kept = firsts[described]
    pairs = kept[_similar(descriptors[kept], min_similarity)]
    rows = np.arange(len(descriptors))
    equal = (firsts[inverse] != rows) & described[inverse]
    copies = np.column_stack([firsts[inverse][equal], rows[equal]])
    return np.sort(np.concatenate([pairs, copies]), axis=1)


def _similar(descriptors: Descriptors, min_similarity: float) -> Indices:
    count = len(descriptors)
    both = np.concatenate([descriptors, mirrored(descriptors)])
    views = np.concatenate([_unit(both), _unit(cropped(both))])

    def are_similar(first: Indices, second: Indices) -> npt.NDArray[np.bool_]:
        # Two changed images are as similar as the images themselves, or nearly so.
        told = np.minimum(first, second) < count
        similar = np.zeros(len(first), np.bool_)
        similarity = np.einsum("ij,ij->i", views[first[told]], views[second[told]])
        similar[told] = similarity >= min_similarity
        return similar

    return close_pairs(
        _keys(views),
        are_similar,
        owners=np.tile(np.arange(count), 4),
    )


def _unit(values: npt.NDArray[Any]) -> _Units:
    units = values.astype(np.float32)
    return units / np.linalg.norm(units, axis=1, keepdims=True)


def _keys(units: _Units) -> Iterator[npt.NDArray[np.uint32]]:
    """The keys of each table, (n,): on which side of its random planes the vectors lie."""
    planes = np.random.default_rng(_SEED).standard_normal(
        (_TABLES, DESCRIPTOR_BYTES, _KEY_BITS), dtype=np.float32
    )
    for start in range(0, _TABLES, _TABLES_AT_ONCE):
        several = np.concatenate(planes[start : start + _TABLES_AT_ONCE], axis=1)
        sides = [
            np.packbits(units[row : row + _ROWS_AT_ONCE] @ several > 0, axis=1)
            for row in range(0, len(units), _ROWS_AT_ONCE)
        ]
        bits = np.concatenate(sides or [np.empty((0, several.shape[1] // 8), np.uint8)])
        for octets in np.split(
            bits.astype(np.uint32), len(planes[start:][:_TABLES_AT_ONCE]), axis=1
        ):
            yield octets @ np.array([1 << 16, 1 << 8, 1], np.uint32)
