"""Stage 3: freeze the manifest into a split snapshot whose name is the hash of its content."""

import hashlib
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract.errors import DatasetTooSmall, NotFound
from ml.data.dataset_card import render_card
from ml.data.leakage import audit, find_look_alikes, link_groups
from ml.data.manifest import (
    SCHEMA,
    STATISTIC_COLUMNS,
    read_columns,
    read_manifest,
    write_parquet,
)
from ml.data.results import DatasetInfo
from ml.data.split import SPLITS, earlier_places, group_names, split_groups, split_images
from ml.params import DataParams

logger = logging.getLogger(__name__)

ROWS_FILE, CARD_FILE, DATASET_FILE = "rows.parquet", "card.md", "dataset.json"
_PERSONAL = ["patient", "site", "scanner", "age", "sex"]
_RELATED_COLUMNS = ["image_id", "patient", "phash", "descriptor"]
_READ_COLUMNS = [
    *("image_id", "label", *_PERSONAL, "media_type", "phash", "descriptor"),
    *STATISTIC_COLUMNS,
]


def freeze_dataset(
    manifest_folder: Path, *, params: DataParams, datasets_folder: Path
) -> DatasetInfo:
    """Group, split and freeze all accepted images with a label of the vocabulary.

    Images of one patient and near-duplicates form a group; a group is in one split, and stays in
    the split that an earlier dataset in `datasets_folder` gave it. A group that ties a past test
    image to images of other splits is left out (`earlier_places`). `paper_split` is the random
    image-level split beside it. The dataset's id is the hash of images, labels, groups, splits
    and parameters: freezing the same content again returns the same dataset.

    Raises:
        DatasetTooSmall: a class lacks images or groups; names class and number needed.
    """
    frame = read_manifest(manifest_folder, columns=_READ_COLUMNS)
    frame = frame[frame["label"].isin(params.labels)].reset_index(drop=True)
    past = _past_rows(datasets_folder)
    groups = _groups(frame, past, params)
    frame["group"] = frame["image_id"].map(groups)
    earlier = earlier_places(past["image_id"].map(groups), past["split"])
    contested = frame["group"].isin(earlier.contested)
    frame = frame[~contested].reset_index(drop=True)
    _require_enough(frame, params)
    frame["split"] = split_groups(frame, params.split, seed=params.seed, earlier=earlier.splits)
    frame["paper_split"] = split_images(frame, params.split, seed=params.seed)
    dataset_id = _identity(frame, params)
    folder = datasets_folder / dataset_id
    if (folder / DATASET_FILE).is_file():
        return read_info(datasets_folder, dataset_id)
    leak = audit(frame, params, past[past["split"] == "test"].drop_duplicates("image_id"))
    info = DatasetInfo(
        dataset_id=dataset_id,
        images=len(frame),
        groups=frame["group"].nunique(),
        per_class={label: int((frame["label"] == label).sum()) for label in params.labels},
        per_split=_per_split(frame, params),
        leak=leak,
        card=str(folder / CARD_FILE),
        set_aside=int(contested.sum()),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(pa.Table.from_pandas(frame, preserve_index=False), folder / ROWS_FILE)
    _write_text(folder / CARD_FILE, render_card(info, frame, params))
    record = {**info.model_dump(mode="json"), "created_at": datetime.now(UTC).isoformat()}
    _write_text(folder / DATASET_FILE, json.dumps(record, indent=2))
    logger.info("Froze dataset %s: %d images, %d groups.", dataset_id, info.images, info.groups)
    return info


def load_dataset(datasets_folder: Path, dataset_id: str) -> pd.DataFrame:
    """One row an image: image_id, label, group, split, paper_split, site, scanner, age, sex,
    patient, statistics; ordered by image id.

    Raises:
        NotFound: no such dataset, or one that was not finished.
    """
    read_info(datasets_folder, dataset_id)
    frame: pd.DataFrame = pq.read_table(datasets_folder / dataset_id / ROWS_FILE).to_pandas()
    return frame


def read_info(datasets_folder: Path, dataset_id: str) -> DatasetInfo:
    """What was frozen.

    Raises:
        NotFound: no such dataset, or one that was not finished.
    """
    path = datasets_folder / dataset_id / DATASET_FILE
    if not path.is_file():
        raise NotFound(f"There is no dataset {dataset_id}.", remedy="Freeze it first.")
    record = json.loads(path.read_text())
    record.pop("created_at")
    return DatasetInfo.model_validate(record)


def _require_enough(frame: pd.DataFrame, params: DataParams) -> None:
    reasons = []
    for label in params.labels:
        rows = frame[frame["label"] == label]
        groups = rows["group"].nunique()
        if len(rows) < params.min_images_per_class:
            reasons.append(
                f"{label} has {len(rows)} images; {params.min_images_per_class} are needed"
            )
        elif groups < params.min_groups_per_class:
            reasons.append(
                f"{label} has {groups} independent groups (patients); "
                f"{params.min_groups_per_class} are needed"
            )
    if reasons:
        raise DatasetTooSmall(
            f"The dataset is too small: {'; '.join(reasons)}.",
            reasons=reasons,
            remedy="Ingest more images of these classes.",
        )


def _past_rows(datasets_folder: Path) -> pd.DataFrame:
    """Every image and split of all finished datasets, each pair once."""
    names = [*_RELATED_COLUMNS, "split"]
    schema = pa.schema([*(SCHEMA.field(name) for name in _RELATED_COLUMNS), ("split", pa.string())])
    files = [path.parent / ROWS_FILE for path in sorted(datasets_folder.glob(f"*/{DATASET_FILE}"))]
    tables = [read_columns(path, schema) for path in files]
    frame: pd.DataFrame = pa.concat_tables([schema.empty_table(), *tables]).to_pandas()
    return frame[names].drop_duplicates(["image_id", "split"], ignore_index=True)


def _groups(frame: pd.DataFrame, past: pd.DataFrame, params: DataParams) -> "pd.Series[str]":
    """Image id → name of its group.

    Images of earlier datasets that are in the manifest no longer still tie others together.
    """
    gone = past[~past["image_id"].isin(frame["image_id"])].drop_duplicates("image_id")
    everyone = pd.concat([frame[_RELATED_COLUMNS], gone[_RELATED_COLUMNS]], ignore_index=True)
    related = link_groups(everyone["patient"], find_look_alikes(everyone, params).groups)
    ids = everyone["image_id"].tolist()
    return pd.Series(group_names(ids, related), index=ids)


def _identity(frame: pd.DataFrame, params: DataParams) -> str:
    columns = ["image_id", "label", "group", "split", "paper_split"]
    digest = hashlib.sha256(json.dumps(params.model_dump(mode="json"), sort_keys=True).encode())
    for row in frame.sort_values("image_id")[columns].itertuples(index=False):
        digest.update("\0".join(row).encode() + b"\n")
    return digest.hexdigest()[:16]


def _per_split(frame: pd.DataFrame, params: DataParams) -> dict[str, dict[str, int]]:
    counts = pd.crosstab(frame["split"], frame["label"])
    counts = counts.reindex(index=SPLITS, columns=params.labels, fill_value=0)
    return {
        split: {label: int(counts.loc[split, label]) for label in params.labels} for split in SPLITS
    }


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(text)
    partial.replace(path)
