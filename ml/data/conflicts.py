"""Look-alikes that carry different labels: at least one of the labels deserves a second look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd

from ml.data.buckets import Indices

Dispute = tuple[str, str, str]
"""Image id, its label, and the others' labels as one text: see `label_conflicts`."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What is known of labels beside the manifest.

    People decided on `labels`, by image id, and on disputes in which a label was kept. Nobody has
    decided on `contradicted`, other labels with which the same pixels were delivered, by image id,
    and on `suspects`, ids of images whose label models doubt. `queued` are ids of images that a
    person labelled because production had answered them.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    settled: frozenset[Dispute] = frozenset()
    contradicted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    suspects: frozenset[str] = frozenset()
    queued: frozenset[str] = frozenset()

    @property
    def images(self) -> frozenset[str]:
        """Ids of those whose label a person gave or kept."""
        return frozenset({*self.labels, *(image_id for image_id, _, _ in self.settled)})

    def undecided(self, conflicts: pd.DataFrame) -> pd.DataFrame:
        """The rows of `label_conflicts` about which nobody has decided."""
        disputes = conflicts[["image_id", "label", "others"]].itertuples(index=False, name=None)
        is_open = [dispute not in self.settled for dispute in disputes]
        return conflicts[np.array(is_open, np.bool_)].reset_index(drop=True)


def label_conflicts(
    frame: pd.DataFrame,
    look_alikes: Indices,
    contradicted: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> pd.DataFrame:
    """The images that carry another label than a look-alike or than another delivery of them.

    Args:
        frame: columns image_id, label; one row an image.
        look_alikes: int64 (n,), groups of `find_look_alikes`.
        contradicted: other labels with which the same pixels were delivered, by image id.

    Returns:
        One row an image: image_id, label, `others` (the other labels, sorted, as one text joined by
        commas) and `images` (how many the look-alike group has), ordered by image id.
    """
    grouped = frame[["image_id", "label"]].assign(alike=look_alikes)
    grouped["images"] = grouped.groupby("alike")["label"].transform("size")
    several = grouped.groupby("alike")["label"].transform("nunique") > 1
    found = grouped[several | grouped["image_id"].isin(contradicted)]
    per_group = found.groupby("alike")["label"].agg(set)
    others = []
    for row in found.itertuples():
        labels = per_group[row.alike] | contradicted.get(row.image_id, frozenset())
        others.append(", ".join(sorted(labels - {row.label})))
    told = found[["image_id", "label"]].assign(others=others, images=found["images"])
    disputed = told[told["others"] != ""].astype({"images": np.int64})
    return disputed.sort_values("image_id", ignore_index=True)
