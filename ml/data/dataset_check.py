"""The snapshot before it is frozen: what must hold of any dataset, and what to tell of this one."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ml.contract.errors import DatasetRefused
from ml.data.checkpoint import Checkpoints
from ml.data.class_mix import class_mix_distance, share_of_each
from ml.data.data_docs import counted, write_data_docs
from ml.data.split import SPLITS
from ml.params import DataParams

DATASET_SUITE = "dataset.json"


def check_dataset(
    frame: pd.DataFrame,
    *,
    suites: Path,
    params: DataParams,
    past: pd.DataFrame,
    last: pd.DataFrame,
    docs_folder: Path | None = None,
) -> list[str]:
    """Run `dataset.json` over a split dataset; return its warnings as sentences.

    Args:
        frame: one row an image, with image_id, label, group, split, patient, site.
        past: image_id and split of every image of all earlier datasets.
        last: label and site of the last dataset's images; empty if there is none.
        docs_folder: gets Great Expectations' pages if given.

    Raises:
        DatasetRefused: a critical expectation fails.
    """
    last_sites = last["site"].value_counts()
    sites = frame["site"].value_counts()
    kept = frame["site"].map(sites / last_sites)
    described = pd.DataFrame(
        {
            **{name: frame[name] for name in ("image_id", "label", "split", "patient", "site")},
            "group_splits": frame.groupby("group")["split"].transform("nunique"),
            "past_test_moved": _moved(frame, past).astype(int),
            "class_in_split": frame["label"] + "/" + frame["split"],
            "images_of_class_in_split": frame.groupby(["label", "split"])["image_id"].transform(
                "size"
            ),
            "split_gap": _split_gap(frame["split"], params),
            "label_share": share_of_each(frame["label"]),
            "class_mix_distance": _distance(frame["label"], last["label"]),
            "site_kept": kept,
        }
    )
    parameters: Mapping[str, object] = {
        "labels": params.labels,
        "max_class_mix_distance": params.quality.max_class_mix_distance,
        "classes_in_splits": [f"{label}/{split}" for label in params.labels for split in SPLITS],
        "last_images": len(last),
        "last_sites": sorted(last_sites.index),
    }
    counts = {
        "groups": int(frame["group"].nunique()),
        "datasets": int(not last.empty),
        "last_sites": len(last_sites),
        "sites_kept": int(kept.notna().any()),
    }
    checkpoints = Checkpoints()
    findings = checkpoints.run(suites / DATASET_SUITE, described, parameters, counts).findings
    warnings = [f"{found.reason} ({found.detail})" for found in findings if not found.critical]
    reasons = [f"{found.reason} ({found.detail})" for found in findings if found.critical]
    if docs_folder is not None:
        write_data_docs(
            docs_folder / "index.html",
            title=f"Dataset {docs_folder.name}",
            verdict="It is not frozen." if reasons else f"{len(frame):,} images may be frozen.",
            files=frame["split"].value_counts().to_dict(),
            lists={
                "Images": [
                    f"by {what}: {counted(frame[what].value_counts().to_dict())}"
                    for what in ("label", "site")
                    if frame[what].notna().any()
                ],
                "Refused because": reasons,
                "Warnings": warnings,
            },
            ran=checkpoints.ran,
        )
    if reasons:
        raise DatasetRefused(
            f"The dataset is not frozen: {'; '.join(reasons)}.",
            reasons=reasons,
            remedy="This is a defect of the split, or of a file of an earlier dataset: report it.",
        )
    return warnings


def _moved(frame: pd.DataFrame, past: pd.DataFrame) -> "pd.Series[bool]":
    tested = past.loc[past["split"] == "test", "image_id"]
    return frame["image_id"].isin(tested) & (frame["split"] != "test")


def _split_gap(split: "pd.Series[str]", params: DataParams) -> "pd.Series[float]":
    wanted = split.map(params.split.model_dump())
    return (share_of_each(split) - wanted).abs()


def _distance(label: "pd.Series[str]", last: "pd.Series[str]") -> float | None:
    return class_mix_distance(label, last.value_counts().to_dict()) if len(last) else None
