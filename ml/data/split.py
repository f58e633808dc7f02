"""Splits: group-disjoint and stable for evaluation, plain random for the paper's comparison."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class EarlierPlaces:
    """Where earlier datasets put groups. `splits` is group → split; images of `contested` groups
    fit in no split."""

    splits: dict[str, str]
    contested: frozenset[str]


def earlier_places(groups: pd.Series, splits: pd.Series) -> EarlierPlaces:
    """Keep every group where its images have been.

    Where groups placed apart have since become one, train comes before validation: an image that
    was trained on does not judge. With a past test image among them no split is left: it must
    never be trained on, and those that were trained on must never become a test.

    Args:
        groups, splits: one pair for each image and dataset that it was in.
    """
    ranks = splits.map(SPLITS.index).groupby(groups)
    lowest, highest = ranks.min(), ranks.max()
    contested = (highest == SPLITS.index("test")) & (lowest < highest)
    settled = lowest[~contested]
    return EarlierPlaces(
        {group: SPLITS[rank] for group, rank in settled.items()},
        frozenset(contested.index[contested]),
    )


def split_groups(
    frame: pd.DataFrame, shares: SplitParams, *, seed: int, earlier: Mapping[str, str]
) -> pd.Series:
    """Assign whole groups to splits, stratified by label.

    Groups that have a split keep it. New groups go, largest first and then in the order of a keyed
    hash, to the split that lacks most of their labels.

    Args:
        frame: columns image_id, label, group.
        earlier: group → split.

    Returns:
        One of `SPLITS` per row, on the frame's index.
    """
    counts = pd.crosstab(frame["group"], frame["label"])
    totals = counts.sum().to_numpy(dtype=np.float64)
    missing = np.outer([getattr(shares, split) for split in SPLITS], totals)
    placed = {group: earlier[group] for group in counts.index if group in earlier}
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


def _keyed(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
