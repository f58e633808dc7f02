"""Splits: group-disjoint and stable for evaluation, plain random for the paper's comparison."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.params import SplitParams

SPLITS = ("train", "validation", "test")
Names = npt.NDArray[np.str_]


def group_names(image_ids: Sequence[str], components: npt.NDArray[np.int64]) -> list[str]:
    """Name each group after its lowest image id, so that the name survives reordering."""
    names = pd.Series(image_ids).groupby(components).transform("min")
    return [f"g-{name[:16]}" for name in names]


def split_groups(
    frame: pd.DataFrame, shares: SplitParams, *, seed: int, earlier: Mapping[str, str]
) -> pd.Series:
    """Assign whole groups to splits, stratified by label.

    A group with an image that an earlier dataset placed stays there. Where groups placed apart
    have since become one, train comes before validation before test: an image that was trained
    on never becomes a test image. New groups go, largest first and then in the order of a keyed
    hash, to the split that lacks most of their labels.

    Args:
        frame: columns image_id, label, group.
        earlier: image id → split.

    Returns:
        One of `SPLITS` per row, on the frame's index.
    """
    counts = pd.crosstab(frame["group"], frame["label"])
    totals = counts.sum().to_numpy(dtype=np.float64)
    missing = np.outer([getattr(shares, split) for split in SPLITS], totals)
    placed = _earlier_places(frame, earlier)
    for group, place in placed.items():
        missing[SPLITS.index(place)] -= counts.loc[group].to_numpy()
    fresh = [group for group in counts.index if group not in placed]
    sizes = counts.sum(axis=1)
    fresh.sort(key=lambda group: (-sizes[group], _keyed(seed, group)))
    for group in fresh:
        labels = counts.loc[group].to_numpy()
        # Divided by the totals, so that a rare class weighs as much as a common one.
        index = int((missing / totals @ labels).argmax())
        missing[index] -= labels
        placed[group] = SPLITS[index]
    return frame["group"].map(placed)


def split_images(frame: pd.DataFrame, shares: SplitParams, *, seed: int) -> pd.Series:
    """Assign single images at random within each label, as papers without groups do."""
    order = frame["image_id"].map(lambda image_id: _keyed(seed, image_id))
    rank = order.groupby(frame["label"]).rank(method="first") - 0.5
    share = rank / frame.groupby("label")["image_id"].transform("size")
    bounds = [shares.train, shares.train + shares.validation]
    return pd.Series(np.array(SPLITS)[np.searchsorted(bounds, share)], index=frame.index)


def _earlier_places(frame: pd.DataFrame, earlier: Mapping[str, str]) -> dict[str, str]:
    known = frame.assign(place=frame["image_id"].map(earlier)).dropna(subset="place")
    ranks = known["place"].map(SPLITS.index).groupby(known["group"]).min()
    return {group: SPLITS[rank] for group, rank in ranks.items()}


def _keyed(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
