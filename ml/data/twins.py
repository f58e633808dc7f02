"""Twins: images that show the same picture, however resized, recompressed, cropped or mirrored.

Search: M. Charikar, Similarity Estimation Techniques from Rounding Algorithms, STOC 2002 (random
hyperplanes). Whether a pair is found depends on this pair alone, so a twin that was found once is
found again in every later dataset; a graph index such as HNSW does not promise that.
"""

import numpy as np
import numpy.typing as npt

from ml.data.appearance import DESCRIPTOR_BYTES, Descriptors, mirrored
from ml.data.buckets import Indices, pairs_of_equals

LOWEST_SIMILARITY = 0.9
"""Below it the search misses too many pairs."""

# Two descriptors at angle a share a table's key with probability (1 − a / π) ^ bits. One of the
# tables then shows a pair at similarity 0.9, 0.93, 0.95 or 0.97 with a probability of 0.90, 0.99,
# 0.9996 or 1; mirrored twins have two chances. Few bits would compare too many strangers.
_TABLES, _KEY_BITS = 96, 24
_SEED = 20

_Units = npt.NDArray[np.float32]


def twin_pairs(descriptors: Descriptors, min_similarity: float) -> Indices:
    """Pairs of images whose descriptors agree, as they are or with one of them mirrored.

    Args:
        descriptors: int8, (n, `DESCRIPTOR_BYTES`); rows of zeros have no twins.
        min_similarity: cosine from which two descriptors agree, `LOWEST_SIMILARITY`…1.

    Returns:
        int64 (m, 2), lower index first, each pair once; of images with equal descriptors, only
        the first is paired with others.
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
    both = np.concatenate([_unit(descriptors), _unit(mirrored(descriptors))])
    planes = np.random.default_rng(_SEED).standard_normal(
        (_TABLES, DESCRIPTOR_BYTES, _KEY_BITS), dtype=np.float32
    )
    found = np.empty((0, 2), np.int64)
    for table in planes:
        fresh = [found]
        for first, second in pairs_of_equals(_keys(both, table)):
            # Two mirrored images are as similar as the images themselves.
            told = ((first < count) | (second < count)) & (first % count != second % count)
            first, second = first[told], second[told]
            similarity = np.einsum("ij,ij->i", both[first], both[second])
            close = similarity >= min_similarity
            fresh.append(np.column_stack([first[close], second[close]]) % count)
        found = np.unique(np.sort(np.concatenate(fresh), axis=1), axis=0)
    return found


def _unit(descriptors: Descriptors) -> _Units:
    values = descriptors.astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def _keys(units: _Units, planes: _Units) -> npt.NDArray[np.uint32]:
    bits = np.packbits(units @ planes > 0, axis=1).astype(np.uint32)
    keys: npt.NDArray[np.uint32] = bits @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return keys
