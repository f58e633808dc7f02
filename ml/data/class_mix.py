"""How far the shares of the labels have moved."""

from collections.abc import Mapping

import pandas as pd


def class_mix_distance(labels: "pd.Series[str]", earlier: Mapping[str, int]) -> float:
    """Total variation distance between two class mixes: 0 for equal shares, 1 for none in common.

    Args:
        labels: one label an image; nulls are left out.
        earlier: images per label, at least one image in all.
    """
    now = labels.value_counts(normalize=True)
    before = pd.Series(earlier, dtype="float64")
    return float(now.sub(before / before.sum(), fill_value=0).abs().sum() / 2)


def share_of_each(values: "pd.Series[str]") -> "pd.Series[float]":
    """For each row, the share of the rows that have its value; null where it has none."""
    return values.map(values.value_counts(normalize=True))
