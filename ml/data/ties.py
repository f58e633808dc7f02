"""Images that join a past test to images of other splits, and what is left out because of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.data.buckets import Indices
from ml.data.leakage import find_look_alikes, link_groups, owners
from ml.data.split import EarlierPlaces, earlier_places, group_names
from ml.params import DataParams


@dataclass(frozen=True, slots=True)
class Related:
    """Which images belong together, and where they have been.

    `look_alikes` is int64 (n,), as `find_look_alikes` tells them; `groups` maps image id to the
    name of its group. `ties`: one row for each new image that joins a past test to other splits,
    with image_id, `images` (how many past ones it joins) and `splits` (theirs, as one text).
    `left_out`: ids of those among them that are in no group.
    """

    look_alikes: Indices
    groups: "pd.Series[str]"
    places: EarlierPlaces
    ties: pd.DataFrame
    left_out: frozenset[str]


def relate(images: pd.DataFrame, past: pd.DataFrame, params: DataParams) -> Related:
    """Group images of one patient (or study, without a patient) and look-alikes, and find where
    earlier datasets put them.

    A group of past test images and images of other splits fits nowhere (`earlier_places`): it is
    given up, unless it holds more than `params.max_tied_images` past images. Of such a one the new
    images that join it are left out instead, and its parts stay where they have been: one
    look-alike or one wrong patient must not take a large part of the data with it.

    Args:
        images: image_id, patient, study, phash, descriptor; one row an image, those of `past` too.
        past: the same and split, one row for each image and split that it was in.
    """
    images = images.assign(patient=owners(images))
    look_alikes, groups = _grouped(images, params)
    places = _places(past, groups)
    names = images["image_id"].map(groups)
    ties: list[tuple[str, int, str]] = []
    left_out: set[str] = set()
    for _, members in images[names.isin(places.contested)].groupby(names):
        before = past[past["image_id"].isin(members["image_id"])]
        count, splits = before["image_id"].nunique(), ", ".join(sorted(set(before["split"])))
        joining = _joining(members, before, params)
        ties += [(image_id, count, splits) for image_id in joining]
        if count <= params.max_tied_images:
            continue
        rest = members
        while joining:
            left_out.update(joining)
            rest = rest[~rest["image_id"].isin(joining)]
            joining = _joining(rest, before, params)
            ties += [(image_id, count, splits) for image_id in joining]
        groups.update(_grouped(rest, params)[1])
    if left_out:
        groups = groups.drop(list(left_out))
        places = _places(past, groups)
    told = pd.DataFrame(ties, columns=["image_id", "images", "splits"])
    return Related(look_alikes, groups, places, told, frozenset(left_out))


def _joining(members: pd.DataFrame, past: pd.DataFrame, params: DataParams) -> list[str]:
    """New images of a group whose past images would otherwise fall into parts that each fit in a
    split: those that touch several splits, or if none does, those that lead from one to another.

    Empty where past images are tied by themselves, or nothing ties them any more.
    """
    members = members.reset_index(drop=True)
    known = members["image_id"].isin(past["image_id"])
    if known.all():
        return []
    _, parts = _grouped(members[known], params)
    places = _places(past, parts)
    if places.contested:
        return []
    members["split"] = members["image_id"].map(parts).map(places.splits)
    members["batch"] = members["image_id"].map(_grouped(members[~known], params)[1])
    touched = _touched(members, params)
    for name in ("image_id", "batch"):
        several = touched.groupby(name)["split"].nunique() > 1
        joining = members.loc[members[name].isin(several.index[several]), "image_id"]
        if len(joining):
            return sorted(joining)
    return []


def _touched(members: pd.DataFrame, params: DataParams) -> pd.DataFrame:
    """For each new image and past one that it is linked with: image_id, batch of the first, split
    of the other."""
    found = find_look_alikes(members, params)
    pairs = np.concatenate([found.hash_pairs, found.twin_pairs])
    both = np.concatenate([pairs, pairs[:, ::-1]])
    alike = pd.DataFrame(
        {
            **{name: members[name].to_numpy()[both[:, 0]] for name in ("image_id", "batch")},
            "split": members["split"].to_numpy()[both[:, 1]],
        }
    )
    of_patient = members[["patient", "split"]].dropna().drop_duplicates()
    known_patient = members[["image_id", "batch", "patient"]].dropna()
    relatives = known_patient.merge(of_patient, on="patient").drop(columns="patient")
    return pd.concat([alike.dropna(), relatives], ignore_index=True)


def _grouped(images: pd.DataFrame, params: DataParams) -> tuple[Indices, "pd.Series[str]"]:
    images = images.reset_index(drop=True)
    alike = find_look_alikes(images, params).groups
    ids = images["image_id"].tolist()
    names = group_names(ids, link_groups(images["patient"], alike))
    return alike, pd.Series(names, index=ids, dtype=object)


def _places(past: pd.DataFrame, groups: "pd.Series[str]") -> EarlierPlaces:
    known = past[past["image_id"].isin(groups.index)]
    return earlier_places(known["image_id"].map(groups), known["split"])
