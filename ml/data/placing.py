"""Which group and which split each image gets, given labels, decisions and earlier datasets."""

from dataclasses import dataclass

import pandas as pd

from ml.data.conflicts import Reviewed, label_conflicts
from ml.data.split import split_groups, split_images
from ml.data.ties import relate
from ml.params import DataParams

RELATED_COLUMNS = ["image_id", "patient", "study", "phash", "descriptor"]


@dataclass(frozen=True, slots=True)
class Placed:
    """What a dataset would hold, and what it would not.

    `frame`: the images that stay, with label_source, group, split and paper_split. `conflicts`:
    images that carry another label than a look-alike or another delivery of them, about which
    nobody has decided (`label_conflicts`); `disputed` of them are left out. `ties`: new images that
    join past tests to other splits (`ml.data.ties`); `set_aside` images are left out because of
    them. `waiting`: images without a label.
    """

    frame: pd.DataFrame
    conflicts: pd.DataFrame
    ties: pd.DataFrame
    disputed: int
    set_aside: int
    waiting: int


def place_images(
    accepted: pd.DataFrame, past: pd.DataFrame, params: DataParams, reviewed: Reviewed
) -> Placed:
    """Group images, and assign groups to splits; a group stays where it has been.

    A new group of which a part was queued for review is trained on: queued images were chosen
    because models fail on them, and nobody knows their patients, so they cannot judge a model.

    A label that a person decided takes the place of the delivered one. Images of earlier datasets
    that are not accepted any more still tie others together.

    Args:
        accepted: image_id, label (null: none yet), patient, study, phash, descriptor; one row an
            image.
        past: image_id, patient, study, phash, descriptor and split, one row for each image and
            split that it was in, in any earlier dataset.
    """
    frame = _labelled(accepted, reviewed)
    waiting = int(frame["label"].isna().sum())
    frame = frame[frame["label"].isin(params.labels)].reset_index(drop=True)
    gone = past[~past["image_id"].isin(frame["image_id"])].drop_duplicates("image_id")
    related = relate(
        pd.concat([frame[RELATED_COLUMNS], gone[RELATED_COLUMNS]], ignore_index=True), past, params
    )
    conflicts = reviewed.undecided(
        label_conflicts(frame, related.look_alikes[: len(frame)], reviewed.contradicted)
    )
    frame["group"] = frame["image_id"].map(related.groups)
    tied = frame["group"].isna() | frame["group"].isin(related.places.contested)
    disputed = frame["image_id"].isin(conflicts["image_id"]) & (params.conflicts == "set_aside")
    kept = frame[~tied & ~disputed].reset_index(drop=True)
    queued = kept.loc[kept["image_id"].isin(reviewed.queued), "group"]
    places = dict.fromkeys(queued, "train") | related.places.splits
    kept["split"] = split_groups(kept, params.split, seed=params.seed, earlier=places)
    kept["paper_split"] = split_images(kept, params.split, seed=params.seed)
    return Placed(
        frame=kept,
        conflicts=conflicts,
        ties=related.ties,
        disputed=int((disputed & ~tied).sum()),
        set_aside=int(tied.sum()),
        waiting=waiting,
    )


def _labelled(frame: pd.DataFrame, reviewed: Reviewed) -> pd.DataFrame:
    """Rows with the labels that people decided; `label_source` is `review` for those."""
    decided = frame["image_id"].map(dict(reviewed.labels))
    return frame.assign(
        label=decided.where(decided.notna(), frame["label"]),
        label_source=decided.notna().map({True: "review", False: "delivery"}),
    )
