"""The dataset card: what a person must know before using or judging a dataset."""

from collections.abc import Iterator, Mapping

import pandas as pd

from ml.data.manifest import STATISTIC_COLUMNS
from ml.data.results import DatasetInfo
from ml.data.split import SPLITS
from ml.evaluation.markdown import table
from ml.params.data import NOT_STATED, DataParams

_FEW_GROUPS, _LARGE_GROUP = 100, 0.1
_ORIGINS = {"site": "site", "scanner": "scanner", "sex": "sex", "media_type": "file type"}


def render_card(info: DatasetInfo, frame: pd.DataFrame, params: DataParams) -> str:
    """Markdown card of a frozen dataset; holds counts only, no identifiers of patients."""
    leak = info.leak
    patients = frame["patient"].nunique()
    without = int(frame["patient"].isna().sum())
    sections = [
        f"# Dataset `{info.dataset_id}`",
        "For research and education. Not for clinical use.",
        f"{info.images} images in {info.groups} independent groups; {patients} known patients, "
        f"{without} images without a patient. Licence: {params.licence}.",
        "## Images per split and class",
        table(
            ["split", *params.labels, "all"],
            [_with_sum(split, info.per_split[split]) for split in SPLITS],
        ),
        f"Groups (images of one patient, or within {params.near_duplicate_distance} of 64 bits of "
        f"perceptual hash, or of a descriptor similarity of {params.near_duplicate_similarity:g}) "
        "are never divided, and stay where an earlier dataset put them. `paper_split` divides "
        "single images at random, for comparison with papers only.",
        "## Known limits",
        "\n".join(f"- {limit}" for limit in known_limits(info, frame, params)),
        "## Labels",
        table(
            ["what", "images"],
            [
                ["label as delivered", info.images - info.relabelled],
                ["label decided by a person afterwards", info.relabelled],
                ["look-alike or other delivery of another label, not decided", info.conflicts],
                ["of these left out until then", info.disputed],
                ["label doubted by models that never saw the image, not decided", info.suspects],
                ["accepted, waiting for a label, left out", info.waiting],
            ],
        ),
        "## Groups",
        _group_sizes(frame),
        "## Leak audit",
        table(
            ["finding", "count"],
            [
                ["groups in more than one split, past tests included", leak.cross_split_groups],
                ["images stored more than once", leak.exact_copies],
                ["near-duplicate pairs by hash", leak.near_duplicate_pairs],
                ["twins by descriptor, mirrored and cropped ones too", leak.twin_pairs],
                ["new images that tie a past test image to other splits", info.ties],
                ["images left out because of such ties", info.set_aside],
                ["near-duplicate groups with different labels", leak.conflicting_groups],
            ],
        ),
        "## Where images come from",
        *_origins(frame, params),
        _ages(frame),
        "## Image statistics",
        _statistics(frame),
    ]
    return "\n\n".join(sections) + "\n"


def known_limits(info: DatasetInfo, frame: pd.DataFrame, params: DataParams) -> list[str]:
    """What these images cannot show, as sentences that follow from their counts."""
    limits = [
        "Labels are what was delivered or decided by one person; nothing here is confirmed by "
        "histology unless the deliverer says so."
    ]
    if params.licence == NOT_STATED:
        limits.append("Under which licence the images may be used is not stated (`data.licence`).")
    groups = frame.groupby("label")["group"].nunique()
    limits += [
        f"Only {groups.get(label, 0)} independent groups are {label}: its metrics have wide bounds."
        for label in params.labels
        if groups.get(label, 0) < _FEW_GROUPS
    ]
    largest = int(frame["group"].value_counts().max())
    if largest > _LARGE_GROUP * len(frame):
        limits.append(
            f"The largest group has {largest} of {len(frame)} images and is in one split: look "
            "whether they belong together."
        )
    for column in ("site", "scanner"):
        known = frame[column].dropna()
        if known.nunique() == 1:
            limits.append(f"All images with a known {column} are of one: others were never seen.")
        if len(known) < len(frame):
            limits.append(f"{len(frame) - len(known)} images have no {column}.")
    without = int(frame["patient"].isna().sum())
    if without:
        limits.append(
            f"{without} images have no patient: only look-alikes and images of one study are kept "
            "together, so images of one person may stand on both sides of a split."
        )
    if info.conflicts:
        limits.append(
            f"{info.conflicts} images carry another label than a look-alike or another delivery of "
            "them: one of the two is wrong, or the picture does not tell."
        )
    if info.set_aside:
        limits.append(
            f"{info.set_aside} accepted images are left out, because a past test image is tied to "
            "images of other splits by them or among them."
        )
    if info.waiting:
        limits.append(f"{info.waiting} accepted images are left out until they have a label.")
    return limits


def _group_sizes(frame: pd.DataFrame) -> str:
    sizes = frame.groupby("group").size()
    edges = [1, 2, 5, 10, 20, 50]
    rows: list[list[object]] = []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        inside = sizes[(sizes >= low) & (sizes < high if high else True)]
        if len(inside):
            name = f"{low}" if high == low + 1 else f"{low} to {high - 1}" if high else f"{low} on"
            rows.append([name, len(inside), int(inside.sum())])
    return table(["images in the group", "groups", "images"], rows)


def _origins(frame: pd.DataFrame, params: DataParams) -> Iterator[str]:
    unknown = [name for name in _ORIGINS if frame[name].isna().all()]
    for column in (name for name in _ORIGINS if name not in unknown):
        counts = pd.crosstab(frame[column].fillna("unknown"), frame["label"])
        counts = counts.reindex(columns=params.labels, fill_value=0)
        # Those of most images first.
        counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
        rows = [_with_sum(str(name), dict(row)) for name, row in counts.iterrows()]
        yield table([_ORIGINS[column], *params.labels, "all"], rows)
    if unknown:
        yield f"Of no image is known: {', '.join(_ORIGINS[name] for name in unknown)}."


def _with_sum(name: str, counts: Mapping[str, int]) -> list[object]:
    return [name, *counts.values(), sum(counts.values())]


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
    return table(["statistic", "5 %", "median", "95 %"], rows)
