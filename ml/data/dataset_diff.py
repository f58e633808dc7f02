"""What changed between two frozen datasets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from ml.data.split import SPLITS

_NAMED = 50
_COUNTED = ("label", "split", "site", "scanner", "media_type")


class Relabelled(BaseModel):
    """An image that has another label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_id: str
    before: str
    after: str


class DatasetDiff(BaseModel):
    """From one dataset to another.

    `relabelled` names up to 50 images. `moved` counts images by `from → to`; a move into or out of
    the test split must not be. `counts` is column → value → images before and after.
    `regrouped`: images whose group has another set of images, among those in both.
    `parameters`: those that differ, by dotted name, before and after; none where either dataset
    is from before they were kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: str
    after: str
    images_before: int
    images_after: int
    groups_before: int
    groups_after: int
    added: int
    removed: int
    relabelled_images: int
    relabelled: list[Relabelled]
    moved: dict[str, int]
    test_touched: int
    regrouped: int
    counts: dict[str, dict[str, tuple[int, int]]]
    parameters: dict[str, tuple[Any, Any]]


def diff_datasets(
    names: tuple[str, str],
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    parameters: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> DatasetDiff:
    """Compare two datasets image by image.

    Args:
        names: their ids.
        before, after: rows of `load_dataset`, one an image.
        parameters: what each was frozen with, as `read_parameters` tells.
    """
    both = before.merge(after, on="image_id", suffixes=("_before", "_after"))
    relabelled = both[both["label_before"] != both["label_after"]].sort_values("image_id")
    moved = both[both["split_before"] != both["split_after"]]
    moves = (moved["split_before"] + " → " + moved["split_after"]).value_counts()
    touched = (moved[["split_before", "split_after"]] == "test").any(axis=1)
    return DatasetDiff(
        before=names[0],
        after=names[1],
        images_before=len(before),
        images_after=len(after),
        groups_before=before["group"].nunique(),
        groups_after=after["group"].nunique(),
        added=len(after) - len(both),
        removed=len(before) - len(both),
        relabelled_images=len(relabelled),
        relabelled=[
            Relabelled(image_id=row.image_id, before=row.label_before, after=row.label_after)
            for row in relabelled.head(_NAMED).itertuples()
        ],
        moved={name: int(count) for name, count in sorted(moves.items())},
        test_touched=int(touched.sum()),
        regrouped=_regrouped(both["group_before"], both["group_after"]),
        counts={
            column: _counts(before[column], after[column])
            for column in _COUNTED
            if column in before and column in after
        },
        parameters=_changed(*parameters) if all(parameters) else {},
    )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    old, new = dict(_dotted(before)), dict(_dotted(after))
    both = {name: (old.get(name), new.get(name)) for name in sorted({*old, *new})}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def _dotted(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{above}{name}.")
        else:
            yield above + name, value


def _regrouped(before: "pd.Series[str]", after: "pd.Series[str]") -> int:
    """Images for which the two groups do not hold the same images."""
    pairs = before.groupby([before, after]).transform("size")
    same = (pairs == before.groupby(before).transform("size")) & (
        pairs == after.groupby(after).transform("size")
    )
    return int((~same).sum())


def _counts(before: pd.Series, after: pd.Series) -> dict[str, tuple[int, int]]:
    counted = [column.fillna("unknown").astype(str).value_counts() for column in (before, after)]
    names = sorted({*counted[0].index, *counted[1].index}, key=_order)
    return {name: (int(counted[0].get(name, 0)), int(counted[1].get(name, 0))) for name in names}


def _order(name: str) -> tuple[int, str]:
    known: Sequence[str] = SPLITS
    return (known.index(name) if name in known else len(known), name)
