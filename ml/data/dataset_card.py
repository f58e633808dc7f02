"""The dataset card: what a person must know before using or judging a dataset."""

import pandas as pd

from ml.data.manifest import STATISTIC_COLUMNS
from ml.data.results import DatasetInfo
from ml.data.split import SPLITS
from ml.params import DataParams


def render_card(info: DatasetInfo, frame: pd.DataFrame, params: DataParams) -> str:
    """Markdown card of a frozen dataset; holds counts only, no identifiers of patients."""
    leak = info.leak
    patients = frame["patient"].nunique()
    without = int(frame["patient"].isna().sum())
    sections = [
        f"# Dataset `{info.dataset_id}`",
        "For research and education. Not for clinical use.",
        f"{info.images} images in {info.groups} independent groups; {patients} known patients, "
        f"{without} images without a patient.",
        "## Images per split and class",
        _table(
            ["split", *params.labels, "all"],
            [_split_row(split, info.per_split[split]) for split in SPLITS],
        ),
        f"Groups (images of one patient, or within {params.near_duplicate_distance} of 64 bits of "
        f"perceptual hash, or of a descriptor similarity of {params.near_duplicate_similarity:g}) "
        "are never divided, and stay where an earlier dataset put them. `paper_split` divides "
        "single images at random, for comparison with papers only.",
        "## Leak audit",
        _table(
            ["finding", "count"],
            [
                ["groups in more than one split, past tests included", leak.cross_split_groups],
                ["images stored more than once", leak.exact_copies],
                ["near-duplicate pairs by hash", leak.near_duplicate_pairs],
                ["twins by descriptor, mirrored ones too", leak.twin_pairs],
                ["images left out: related to a past test image and to others", info.set_aside],
                ["near-duplicate groups with different labels", leak.conflicting_groups],
            ],
        ),
        "## Where images come from",
        *(_counts(frame, column) for column in ("site", "scanner", "sex", "media_type")),
        _ages(frame),
        "## Image statistics",
        _statistics(frame),
    ]
    return "\n\n".join(sections) + "\n"


def _split_row(split: str, counts: dict[str, int]) -> list[object]:
    return [split, *counts.values(), sum(counts.values())]


def _table(header: list[str], rows: list[list[object]]) -> str:
    lines: list[list[object]] = [[*header], ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _counts(frame: pd.DataFrame, column: str) -> str:
    counts = frame[column].fillna("unknown").value_counts()
    return _table([column, "images"], [[name, int(count)] for name, count in counts.items()])


def _ages(frame: pd.DataFrame) -> str:
    ages = frame["age"].dropna()
    if ages.empty:
        return "Ages are unknown."
    return f"Ages: {ages.min():.0f}–{ages.max():.0f} years, median {ages.median():.0f}."


def _statistics(frame: pd.DataFrame) -> str:
    quantiles = frame[list(STATISTIC_COLUMNS)].quantile([0.05, 0.5, 0.95])
    rows: list[list[object]] = [
        [name, *(f"{value:.4g}" for value in quantiles[name])] for name in STATISTIC_COLUMNS
    ]
    return _table(["statistic", "5 %", "median", "95 %"], rows)
