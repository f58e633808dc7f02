"""Leakage: images that are nearly the same, or of one patient, must stay in one split.

Perceptual hash: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
2010 (DCT variant). Search: M. Norouzi et al., Fast Search in Hamming Space with Multi-Index
Hashing, CVPR 2012.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy import sparse
from scipy.sparse import csgraph

from ml.contract.decoding import Pixels
from ml.data.results import LeakReport

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

HASH_BITS = 64
_GRID, _KEPT = 32, 8
_NAMED_CONFLICTS = 50


def _cosine_rows() -> npt.NDArray[np.float64]:
    """Rows 1…8 of the DCT-II matrix of size 32: the constant term says nothing about shape."""
    frequency = np.arange(1, _KEPT + 1)[:, np.newaxis]
    position = np.arange(_GRID)[np.newaxis, :]
    rows: npt.NDArray[np.float64] = np.cos(math.pi * frequency * (2 * position + 1) / (2 * _GRID))
    return rows


_COSINES = _cosine_rows()


def perceptual_hash(pixels: Pixels) -> int:
    """64 bits: which of 8×8 low frequencies of the 32×32 grey image lie above their median.

    Args:
        pixels: uint8, (height, width) or (height, width, 3).
    """
    image = Image.fromarray(pixels).convert("L")
    grey = np.asarray(image.resize((_GRID, _GRID), Image.Resampling.BILINEAR), dtype=np.float64)
    spectrum = (_COSINES @ grey @ _COSINES.T).ravel()
    bits = spectrum > np.median(spectrum)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near_duplicate_groups(hashes: Hashes, max_distance: int) -> Indices:
    """Label images that are linked by hashes differing in at most `max_distance` bits.

    Args:
        hashes: uint64, (n,).
        max_distance: bits, 0…63.

    Returns:
        int64 (n,): equal numbers for linked images, counted from 0 in order of appearance.
    """
    unique, inverse = np.unique(hashes, return_inverse=True)
    pairs = _close_pairs(unique, max_distance)
    components = _components(len(unique), pairs[:, 0], pairs[:, 1])
    return _in_order_of_appearance(components[inverse])


def link_groups(patients: "pd.Series[Any]", near_duplicates: Indices) -> Indices:
    """Join images of one patient and near-duplicates into groups.

    Args:
        patients: pseudonyms, null where unknown (an unknown patient links nothing).
        near_duplicates: int64 (n,), from `near_duplicate_groups`.

    Returns:
        int64 (n,): group numbers from 0 in order of appearance.
    """
    codes, names = pd.factorize(patients)
    count = len(codes)
    images = np.arange(count)
    known = codes >= 0
    # Images, near-duplicate groups and patients are all nodes; an image links to its two owners.
    sources = np.concatenate([images, images[known]])
    groups = int(near_duplicates.max(initial=-1)) + 1
    targets = np.concatenate([count + near_duplicates, count + groups + codes[known]])
    components = _components(count + groups + len(names), sources, targets)
    return _in_order_of_appearance(components[:count])


def count_near_duplicate_pairs(hashes: Hashes, max_distance: int) -> int:
    """Number of image pairs whose hashes differ in at most `max_distance` bits."""
    unique, counts = np.unique(hashes, return_counts=True)
    pairs = _close_pairs(unique, max_distance)
    equal = int((counts * (counts - 1) // 2).sum())
    return equal + int((counts[pairs[:, 0]] * counts[pairs[:, 1]]).sum())


def audit(frame: pd.DataFrame, *, max_distance: int) -> LeakReport:
    """Look for leaks and label conflicts in a split dataset.

    Args:
        frame: columns image_id, label, phash, group, split; one row an image.
        max_distance: bits within which two perceptual hashes mean the same picture.
    """
    hashes = frame["phash"].to_numpy(dtype=np.uint64)
    near = near_duplicate_groups(hashes, max_distance)
    splits_per_group = frame.groupby("group")["split"].nunique()
    # The audit does not trust the grouping: it also looks at near-duplicates themselves.
    splits_per_near = frame["split"].groupby(near).nunique()
    labels_per_near = frame["label"].groupby(near).nunique()
    conflicting = labels_per_near.index[labels_per_near > 1]
    images = frame.loc[np.isin(near, conflicting), "image_id"]
    return LeakReport(
        exact_copies=int(frame["image_id"].duplicated().sum()),
        near_duplicate_pairs=count_near_duplicate_pairs(hashes, max_distance),
        cross_split_groups=int((splits_per_group > 1).sum()) + int((splits_per_near > 1).sum()),
        conflicting_groups=len(conflicting),
        conflicting_image_ids=sorted(images)[:_NAMED_CONFLICTS],
    )


def _close_pairs(unique: Hashes, max_distance: int) -> Indices:
    """Index pairs (m, 2), lower index first, of distinct hashes within the distance.

    Hashes within d bits agree exactly in at least one of d + 1 bands, so only hashes that share
    a band's value are compared.
    """
    found = [np.empty((0, 2), np.int64)]
    bounds = [HASH_BITS * band // (max_distance + 1) for band in range(max_distance + 2)]
    for low, high in pairwise(bounds):
        mask = np.uint64((1 << (high - low)) - 1)
        band = (unique >> np.uint64(low)) & mask
        for first, second in _pairs_of_equals(band):
            distance = np.bitwise_count(unique[first] ^ unique[second])
            close = distance <= max_distance
            found.append(np.sort(np.column_stack([first[close], second[close]]), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _pairs_of_equals(values: Hashes) -> Iterator[tuple[Indices, Indices]]:
    """All index pairs of equal values, in pieces of at most n pairs each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.arange(len(values))
    step = 1
    while True:
        starts = starts[starts + step < len(values)]
        starts = starts[ordered[starts] == ordered[starts + step]]
        if not len(starts):
            return
        yield order[starts], order[starts + step]
        step += 1


def _components(nodes: int, sources: Indices, targets: Indices) -> Indices:
    links = sparse.coo_array(
        (np.ones(len(sources), np.int8), (sources, targets)), shape=(nodes, nodes)
    )
    components: Indices = csgraph.connected_components(links, directed=False)[1].astype(np.int64)
    return components


def _in_order_of_appearance(labels: Indices) -> Indices:
    return np.asarray(pd.factorize(labels)[0], dtype=np.int64)
