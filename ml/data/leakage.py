"""Leakage: images that are nearly the same, of one patient or study, must stay in one split.

Search by hash: M. Norouzi et al., Fast Search in Hamming Space with Multi-Index Hashing, CVPR 2012.
"""

import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from ml.data.appearance import DESCRIPTOR_BYTES, Descriptors
from ml.data.buckets import Indices, close_pairs
from ml.data.results import LeakReport
from ml.data.twins import twin_pairs
from ml.params import DataParams

Hashes = npt.NDArray[np.uint64]

HASH_BITS = 64
_LARGEST_STUDY = 200
_NAMED_CONFLICTS = 50
_TEST = "test"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Which images look alike. `groups` is int64 (n,): equal numbers for linked images, counted
    from 0 in order of appearance; `hash_pairs` and `twin_pairs` are int64 (m, 2)."""

    groups: Indices
    hash_pairs: Indices
    twin_pairs: Indices


def find_look_alikes(frame: pd.DataFrame, params: DataParams) -> LookAlikes:
    """Link images whose hashes or descriptors are close.

    Args:
        frame: columns phash and descriptor (null where the image was ingested without).
    """
    by_hash = hash_pairs(frame["phash"].to_numpy(dtype=np.uint64), params.near_duplicate_distance)
    by_descriptor = twin_pairs(_descriptors(frame), params.near_duplicate_similarity)
    links = np.concatenate([by_hash, by_descriptor])
    groups = _in_order_of_appearance(_components(len(frame), links[:, 0], links[:, 1]))
    return LookAlikes(groups, by_hash, by_descriptor)


def hash_pairs(hashes: Hashes, max_distance: int) -> Indices:
    """Pairs of images whose perceptual hashes differ in at most `max_distance` bits.

    Args:
        hashes: uint64, (n,).
        max_distance: bits, 0…63.

    Returns:
        int64 (m, 2), lower index first, each pair once; of images with equal hashes, only the
        first is paired with others.
    """
    unique, firsts, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    rows = np.arange(len(hashes))
    copies = firsts[inverse] != rows
    equal = np.column_stack([firsts[inverse][copies], rows[copies]])
    close = firsts[_close_pairs(unique, max_distance)]
    return np.sort(np.concatenate([close, equal]), axis=1)


def owners(images: pd.DataFrame) -> "pd.Series[Any]":
    """Whose each image is: its patient's, else the patient's of whom another image of its study is,
    else its study's, as of a patient of whom nothing else is known; null where nothing is.

    A study of more than `_LARGEST_STUDY` images without a patient says nothing: what writes one
    number for all its images has hidden which study they are of.

    Args:
        images: columns patient and study, pseudonyms or null.
    """
    sizes = images["study"][images["patient"].isna()].value_counts()
    if (too_large := sizes.index[sizes > _LARGEST_STUDY]).size:
        logger.warning(
            "%d studies without a patient have more than %d images (up to %d): no studies.",
            len(too_large),
            _LARGEST_STUDY,
            sizes.iloc[0],
        )
        images = images.assign(study=images["study"].mask(images["study"].isin(too_large)))
    known = images.dropna(subset=["patient", "study"]).drop_duplicates("study")
    of_study = images["study"].map(known.set_index("study")["patient"])
    of_study = of_study.where(of_study.notna(), "study " + images["study"])
    return images["patient"].where(images["patient"].notna(), of_study)


def link_groups(patients: "pd.Series[Any]", near_duplicates: Indices) -> Indices:
    """Join images of one patient and near-duplicates into groups.

    Args:
        patients: pseudonyms, null where unknown (an unknown patient links nothing).
        near_duplicates: int64 (n,), groups of `find_look_alikes`.

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


def audit(
    frame: pd.DataFrame, params: DataParams, past_test: pd.DataFrame | None = None
) -> LeakReport:
    """Look for leaks and label conflicts in a split dataset, without trusting its groups.

    Args:
        frame: columns image_id, label, patient, study, phash, descriptor, group, split; one row an
            image.
        past_test: image_id, patient, study, phash, descriptor of the images that were in the test
            split of an earlier dataset. They count as test images, so one that has moved to another
            split, or has a relative there, is found.
    """
    frame = frame.reset_index(drop=True)
    past = frame.iloc[:0] if past_test is None else past_test
    past = past[~past["image_id"].isin(frame.loc[frame["split"] == _TEST, "image_id"])]
    everyone = pd.concat([frame, past.assign(split=_TEST)], ignore_index=True)
    found = find_look_alikes(everyone, params)
    related = link_groups(owners(everyone), found.groups)
    crossing = [
        int((everyone["split"].groupby(relation).nunique() > 1).sum())
        for relation in (everyone["group"], related)
    ]
    near = found.groups[: len(frame)]
    labels_per_near = frame["label"].groupby(near).nunique()
    conflicting = labels_per_near.index[labels_per_near > 1]
    images = frame.loc[np.isin(near, conflicting), "image_id"]
    return LeakReport(
        exact_copies=int(frame["image_id"].duplicated().sum()),
        near_duplicate_pairs=_within(found.hash_pairs, len(frame)),
        twin_pairs=_within(found.twin_pairs, len(frame)),
        cross_split_groups=sum(crossing),
        conflicting_groups=len(conflicting),
        conflicting_image_ids=sorted(images)[:_NAMED_CONFLICTS],
    )


def _within(pairs: Indices, count: int) -> int:
    return int((pairs < count).all(axis=1).sum())


def _descriptors(frame: pd.DataFrame) -> Descriptors:
    unknown = bytes(DESCRIPTOR_BYTES)
    known = frame["descriptor"].where(frame["descriptor"].notna(), unknown)
    return np.frombuffer(b"".join(known), np.int8).reshape(-1, DESCRIPTOR_BYTES)


def _close_pairs(unique: Hashes, max_distance: int) -> Indices:
    """Index pairs (m, 2), lower index first, of distinct hashes within the distance.

    Hashes within d bits agree exactly in at least one of d + 1 bands, so only hashes that share
    a band's value are compared.
    """
    if max_distance == 0:
        return np.empty((0, 2), np.int64)
    bounds = [HASH_BITS * band // (max_distance + 1) for band in range(max_distance + 2)]
    bands = (
        ((unique >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)).astype(np.uint32)
        for low, high in pairwise(bounds)
    )

    def are_close(first: Indices, second: Indices) -> npt.NDArray[np.bool_]:
        return np.bitwise_count(unique[first] ^ unique[second]) <= max_distance

    return close_pairs(bands, are_close, owners=np.arange(len(unique)))


def _components(nodes: int, sources: Indices, targets: Indices) -> Indices:
    links = sparse.coo_array(
        (np.ones(len(sources), np.int8), (sources, targets)), shape=(nodes, nodes)
    )
    components: Indices = csgraph.connected_components(links, directed=False)[1].astype(np.int64)
    return components


def _in_order_of_appearance(labels: Indices) -> Indices:
    return np.asarray(pd.factorize(labels)[0], dtype=np.int64)
