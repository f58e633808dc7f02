"""Stage 3: freeze the manifest into a split snapshot whose name is the hash of its content."""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract.errors import DatasetTooSmall, NotFound
from ml.data.conflicts import Reviewed
from ml.data.dataset_card import render_card
from ml.data.dataset_check import check_dataset
from ml.data.leakage import audit
from ml.data.manifest import SCHEMA, STATISTIC_COLUMNS, each_file, read_columns, read_manifest
from ml.data.placing import RELATED_COLUMNS, place_images
from ml.data.results import DatasetInfo
from ml.data.split import SPLITS
from ml.data.storage import Place, found, write_bytes
from ml.data.tables import parquet_source, write_table
from ml.evaluation.html_page import render_html
from ml.params import DataParams

logger = logging.getLogger(__name__)

ROWS_FILE, DATASET_FILE = "rows.parquet", "dataset.json"
CARD_FILE, CARD_PAGE = "card.md", "card.html"
_CREATED, _PARAMETERS = "created_at", "parameters"
_PERSONAL = ["patient", "study", "site", "scanner", "age", "sex"]
_READ_COLUMNS = [
    *("image_id", "label", *_PERSONAL, "media_type", "phash", "descriptor"),
    *STATISTIC_COLUMNS,
]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A dataset, and what a person should look at: images whose labels are disputed
    (`label_conflicts`), and those that join a past test to other splits (`ml.data.ties`)."""

    info: DatasetInfo
    conflicts: pd.DataFrame
    ties: pd.DataFrame


def freeze_dataset(
    manifest_folder: Place,
    *,
    params: DataParams,
    datasets_folder: Place,
    suites: Path,
    docs_folder: Path | None = None,
    reviewed: Reviewed | None = None,
) -> Frozen:
    """Group, split and freeze all accepted images with a label of the vocabulary.

    Images of one patient and near-duplicates form a group; a group is in one split, and stays in
    the split that an earlier dataset in `datasets_folder` gave it. What ties a past test image to
    images of other splits is left out (`ml.data.ties`). `paper_split` is the random image-level
    split beside it. The dataset's id is the hash of images, labels, groups, splits
    and parameters: freezing the same content again returns the same dataset.

    A label that a person decided takes the place of the delivered one (`label_source` says which
    it is). Look-alikes that carry different labels are left out with `data.conflicts =
    "set_aside"` until a person has decided.

    Args:
        suites: folder of the reviewed suites; `dataset.json` has the last word.
        docs_folder: gets Great Expectations' pages in a folder of the dataset's id, if given.
        reviewed: what people decided about labels, and what waits for them.

    Raises:
        DatasetTooSmall: a class lacks images or groups; names class and number needed.
        DatasetRefused: a critical expectation fails; nothing was frozen.
    """
    past = _past_rows(datasets_folder)
    accepted = read_manifest(manifest_folder, columns=_READ_COLUMNS)
    reviewed = reviewed or Reviewed()
    placed = place_images(accepted, past, params, reviewed)
    frame, conflicts = placed.frame, placed.conflicts
    _require_enough(frame, params)
    dataset_id = _identity(frame, params)
    folder = datasets_folder / dataset_id
    met = {
        "set_aside": placed.set_aside,
        "ties": len(placed.ties),
        "conflicts": len(conflicts),
        "disputed": placed.disputed,
        "suspects": int(frame["image_id"].isin(reviewed.suspects).sum()),
        "waiting": placed.waiting,
    }
    frozen = folder / DATASET_FILE
    if frozen.is_file():
        if _last_record(datasets_folder) != frozen:
            # What was decided in between was taken back: this one is the newest again.
            write_bytes(frozen, frozen.read_bytes())
        info = read_info(datasets_folder, dataset_id).model_copy(update=met)
        return Frozen(info, conflicts, placed.ties)
    docs = docs_folder / dataset_id if docs_folder else None
    last = _last_rows(datasets_folder)
    warnings = check_dataset(
        frame, suites=suites, params=params, past=past, last=last, docs_folder=docs
    )
    leak = audit(frame, params, past[past["split"] == "test"].drop_duplicates("image_id"))
    info = DatasetInfo(
        dataset_id=dataset_id,
        images=len(frame),
        groups=frame["group"].nunique(),
        per_class={label: int((frame["label"] == label).sum()) for label in params.labels},
        per_split=_per_split(frame, params),
        leak=leak,
        card=str(folder / CARD_FILE),
        relabelled=int((frame["label_source"] == "review").sum()),
        warnings=warnings,
        **met,
    )
    write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / ROWS_FILE)
    card = render_card(info, frame, params)
    write_bytes(folder / CARD_FILE, card.encode())
    page = render_html(f"Dataset {dataset_id}", card, Path())
    write_bytes(folder / CARD_PAGE, page.encode())
    record = {
        **info.model_dump(mode="json"),
        _CREATED: datetime.now(UTC).isoformat(),
        _PARAMETERS: params.model_dump(mode="json"),
    }
    write_bytes(folder / DATASET_FILE, json.dumps(record, indent=2).encode())
    logger.info("Froze dataset %s: %d images, %d groups.", dataset_id, info.images, info.groups)
    return Frozen(info, conflicts, placed.ties)


def load_dataset(datasets_folder: Place, dataset_id: str) -> pd.DataFrame:
    """One row an image: image_id, label, group, split, paper_split, site, scanner, age, sex,
    patient, statistics (null where they were not measured yet); ordered by image id.

    Raises:
        NotFound: no such dataset, or one that was not finished.
    """
    read_info(datasets_folder, dataset_id)
    frame: pd.DataFrame = pq.read_table(
        parquet_source(datasets_folder / dataset_id / ROWS_FILE)
    ).to_pandas()
    unmeasured = [name for name in STATISTIC_COLUMNS if name not in frame]
    return frame.assign(**dict.fromkeys(unmeasured, float("nan")))


def read_info(datasets_folder: Place, dataset_id: str) -> DatasetInfo:
    """What was frozen.

    Raises:
        NotFound: no such dataset, or one that was not finished.
    """
    record = _record(datasets_folder, dataset_id)
    about_freezing = (_CREATED, _PARAMETERS)
    return DatasetInfo.model_validate(
        {name: value for name, value in record.items() if name not in about_freezing}
    )


def read_parameters(datasets_folder: Place, dataset_id: str) -> dict[str, Any]:
    """The parameters `data` that it was frozen with; empty of one from before they were kept.

    Raises:
        NotFound: no such dataset, or one that was not finished.
    """
    parameters: dict[str, Any] = _record(datasets_folder, dataset_id).get(_PARAMETERS, {})
    return parameters


def _record(datasets_folder: Place, dataset_id: str) -> dict[str, Any]:
    path = datasets_folder / dataset_id / DATASET_FILE
    if not path.is_file():
        raise NotFound(f"There is no dataset {dataset_id}.", remedy="Freeze it first.")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


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


def _past_rows(datasets_folder: Place) -> pd.DataFrame:
    """Every image and split of all finished datasets, each pair once."""
    names = [*RELATED_COLUMNS, "split"]
    schema = pa.schema([*(SCHEMA.field(name) for name in RELATED_COLUMNS), ("split", pa.string())])
    files = [path.parent / ROWS_FILE for path in found(datasets_folder, f"*/{DATASET_FILE}")]
    tables = each_file(lambda path: read_columns(path, schema), files)
    frame: pd.DataFrame = pa.concat_tables([schema.empty_table(), *tables]).to_pandas()
    return frame[names].drop_duplicates(["image_id", "split"], ignore_index=True)


def _last_record(datasets_folder: Place) -> Place | None:
    records = found(datasets_folder, f"*/{DATASET_FILE}")
    return max(records, key=lambda path: path.stat().st_mtime, default=None)


def _last_rows(datasets_folder: Place) -> pd.DataFrame:
    """Label and site of the images of the dataset frozen last; no rows without one."""
    schema = pa.schema([SCHEMA.field(name) for name in ("label", "site")])
    newest = _last_record(datasets_folder)
    table = read_columns(newest.parent / ROWS_FILE, schema) if newest else schema.empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _identity(frame: pd.DataFrame, params: DataParams) -> str:
    columns = ["image_id", "label", "group", "split", "paper_split"]
    # What was asked of the images' quality shows in which of them there are; a licence does not.
    not_content = {"quality", "licence", "shards", "shard_images"}
    asked = params.model_dump(mode="json", exclude=not_content)
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for row in frame.sort_values("image_id")[columns].itertuples(index=False):
        digest.update("\0".join(row).encode() + b"\n")
    return digest.hexdigest()[:16]


def _per_split(frame: pd.DataFrame, params: DataParams) -> dict[str, dict[str, int]]:
    counts = pd.crosstab(frame["split"], frame["label"])
    counts = counts.reindex(index=SPLITS, columns=params.labels, fill_value=0)
    return {
        split: {label: int(counts.loc[split, label]) for label in params.labels} for split in SPLITS
    }
