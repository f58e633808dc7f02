import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.contract.errors import DatasetTooSmall, NotFound
from ml.data.dataset import freeze_dataset, load_dataset, read_info
from ml.data.manifest import SCHEMA, commit_rows
from ml.data.results import DatasetInfo
from ml.params import DataParams
from tests.unit.data.home import PROJECT, small_params

LABELS = ("normal", "benign", "malignant")


class Accepted:
    """A manifest of made-up rows: three images a patient, hashes far apart."""

    def __init__(self, root: Path) -> None:
        self.manifest, self.datasets = root / "manifest", root / "datasets"
        self._rng = np.random.default_rng(1)

    def add(self, batch_id: str, patients: int, *, labels: tuple[str, ...] = LABELS) -> None:
        rows = [
            {
                "image_id": self._rng.bytes(32).hex(),
                "label": labels[patient % len(labels)],
                "patient": f"{batch_id}-{patient}",
                "site": "north",
                "age": 50,
                "sex": "F",
                "media_type": "image/png",
                "phash": int(self._rng.integers(2**63)),
                "mean": 100.0,
                "fingerprint": f"{batch_id}-{patient}-{image}",
                "batch_id": batch_id,
                "ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
            }
            for patient in range(patients)
            for image in range(3)
        ]
        commit_rows(self.manifest, batch_id, pa.Table.from_pylist(rows, SCHEMA), settled=[])

    def freeze(self, params: DataParams | None = None) -> DatasetInfo:
        return freeze_dataset(
            self.manifest,
            params=params or small_params(),
            datasets_folder=self.datasets,
            suites=PROJECT / "expectations",
        ).info


@pytest.fixture
def accepted(tmp_path: Path) -> Accepted:
    manifest = Accepted(tmp_path)
    manifest.add("first", 60)
    return manifest


def test_a_dataset_is_split_by_group_and_counted(accepted: Accepted) -> None:
    info = accepted.freeze()
    assert (info.images, info.groups) == (180, 60)
    assert info.per_class == {"normal": 60, "benign": 60, "malignant": 60}
    assert {split: sum(counts.values()) for split, counts in info.per_split.items()} == {
        "train": 126,
        "validation": 27,
        "test": 27,
    }
    frame = load_dataset(accepted.datasets, info.dataset_id)
    assert frame.groupby("patient")["split"].nunique().eq(1).all()
    assert frame["image_id"].is_monotonic_increasing
    assert {"group", "split", "paper_split", "site", "scanner", "age", "sex", "mean"} <= set(frame)
    assert info.leak.cross_split_groups == 0


def test_the_same_content_is_the_same_dataset(accepted: Accepted) -> None:
    info = accepted.freeze()
    record = accepted.datasets / info.dataset_id / "dataset.json"
    before = record.stat().st_mtime_ns
    assert accepted.freeze() == info
    assert record.stat().st_mtime_ns == before
    assert read_info(accepted.datasets, info.dataset_id) == info


def test_a_dataset_whose_content_came_back_is_the_newest_again(accepted: Accepted) -> None:
    def newest() -> str:
        records = accepted.datasets.glob("*/dataset.json")
        return max(records, key=lambda path: path.stat().st_mtime_ns).parent.name

    first = accepted.freeze()
    os.utime(accepted.datasets / first.dataset_id / "dataset.json", (1, 1))
    accepted.add("two", 9)
    assert accepted.freeze().dataset_id == newest() != first.dataset_id
    (accepted.manifest / "two.parquet").unlink()
    assert accepted.freeze() == first
    assert newest() == first.dataset_id


def test_a_dataset_from_before_a_statistic_was_measured_has_it_as_null(accepted: Accepted) -> None:
    info = accepted.freeze()
    rows = accepted.datasets / info.dataset_id / "rows.parquet"
    pq.write_table(pq.read_table(rows).drop_columns(["border_share"]), rows)
    assert load_dataset(accepted.datasets, info.dataset_id)["border_share"].isna().all()


def test_the_id_does_not_depend_on_where_or_when_it_is_frozen(
    accepted: Accepted, tmp_path: Path
) -> None:
    other = Accepted(tmp_path / "other")
    other.add("first", 60)
    assert other.freeze().dataset_id == accepted.freeze().dataset_id


def test_other_parameters_are_another_dataset(accepted: Accepted) -> None:
    assert accepted.freeze().dataset_id != accepted.freeze(small_params("data.seed=21")).dataset_id


def test_images_stay_in_their_split_as_the_dataset_grows(accepted: Accepted) -> None:
    old = load_dataset(accepted.datasets, accepted.freeze().dataset_id).set_index("image_id")
    accepted.add("second", 30)
    info = accepted.freeze()
    new = load_dataset(accepted.datasets, info.dataset_id).set_index("image_id")
    assert len(new) == 270
    assert new.loc[old.index, "split"].equals(old["split"])
    assert abs(sum(info.per_split["test"].values()) / 270 - 0.15) < 0.02


@pytest.mark.parametrize(
    ("patients", "overrides", "sentence"),
    [
        (60, ["data.min_images_per_class=61"], "malignant has 60 images; 61 are needed"),
        (60, ["data.min_groups_per_class=25"], "normal has 20 independent groups"),
        (3, [], "normal has 3 images; 4 are needed"),
    ],
)
def test_too_small_a_dataset_is_refused_with_class_and_number(
    tmp_path: Path, patients: int, overrides: list[str], sentence: str
) -> None:
    manifest = Accepted(tmp_path)
    manifest.add("few", patients)
    with pytest.raises(DatasetTooSmall, match=sentence) as refusal:
        manifest.freeze(small_params(*overrides))
    assert len(refusal.value.reasons) == 3
    assert not list(tmp_path.glob("datasets/*"))


def test_an_empty_class_is_refused_by_name(tmp_path: Path) -> None:
    manifest = Accepted(tmp_path)
    manifest.add("no-malignant", 40, labels=("normal", "benign"))
    with pytest.raises(DatasetTooSmall, match="malignant has 0 images; 4 are needed"):
        manifest.freeze()


def test_an_unfinished_dataset_is_not_loaded_and_not_remembered(accepted: Accepted) -> None:
    info = accepted.freeze()
    (accepted.datasets / info.dataset_id / "dataset.json").unlink()
    with pytest.raises(NotFound, match=info.dataset_id):
        load_dataset(accepted.datasets, info.dataset_id)
    assert accepted.freeze() == info


def test_the_card_tells_counts_and_limits_without_naming_patients(accepted: Accepted) -> None:
    info = accepted.freeze()
    card = Path(info.card).read_text()
    assert "Not for clinical use" in card
    assert "| train | 42 | 42 | 42 | 126 |" in card
    assert "60 known patients" in card
    assert "first-0" not in card
    record = json.loads(Path(info.card).with_name("dataset.json").read_text())
    assert datetime.fromisoformat(record["created_at"]).tzinfo is not None


def test_one_patient_with_all_images_of_a_class_is_refused_with_the_number_needed(
    tmp_path: Path,
) -> None:
    manifest = Accepted(tmp_path)
    manifest.add("others", 60, labels=("normal", "benign"))
    manifest.add("one", 1, labels=("malignant",))
    needed = small_params("data.min_images_per_class=3")
    with pytest.raises(DatasetTooSmall, match="malignant has 1 independent groups") as refusal:
        manifest.freeze(needed)
    assert f"{needed.min_groups_per_class} are needed" in str(refusal.value)


def _bridge(accepted: Accepted, one: pd.Series, other: pd.Series) -> None:
    """A new image of the first image's patient that is a copy of the other image."""
    row = {
        **{name: one[name] for name in ("label", "patient", "site", "media_type")},
        "image_id": "f" * 64,
        "phash": int(other["phash"]),
        "fingerprint": "bridge",
        "batch_id": "bridge",
        "ingested_at": datetime(2026, 2, 1, tzinfo=UTC),
    }
    commit_rows(accepted.manifest, "bridge", pa.Table.from_pylist([row], SCHEMA), settled=[])


@pytest.mark.parametrize(("left", "right"), [("train", "test"), ("validation", "test")])
def test_a_past_test_image_never_moves_where_a_new_image_ties_it_to_others(
    accepted: Accepted, left: str, right: str
) -> None:
    first = accepted.freeze()
    old = load_dataset(accepted.datasets, first.dataset_id)
    one, other = (old[old["split"] == split].iloc[0] for split in (left, right))
    _bridge(accepted, one, other)
    info = accepted.freeze()
    new = load_dataset(accepted.datasets, info.dataset_id).set_index("image_id")
    tied = old[old["patient"].isin([one["patient"], other["patient"]])]
    # Both patients' images and the bridge fit nowhere; nothing else moved.
    assert info.set_aside == len(tied) + 1
    assert not new.index.isin([*tied["image_id"], "f" * 64]).any()
    rest = old[~old.index.isin(tied.index)].set_index("image_id")["split"]
    assert new["split"].to_dict() == rest.to_dict()
    assert info.leak.cross_split_groups == 0
    assert accepted.freeze() == info


def test_relatives_of_a_test_image_that_left_the_manifest_are_not_trained_on(
    accepted: Accepted,
) -> None:
    old = load_dataset(accepted.datasets, accepted.freeze().dataset_id)
    test = old[old["split"] == "test"]
    commit = accepted.manifest / "first.parquet"
    table = pq.read_table(commit)
    gone = test.iloc[::3]["image_id"].tolist()
    kept = table.filter(pc.invert(pc.is_in(table["image_id"], pa.array(gone))))
    pq.write_table(kept, commit)
    one = pd.Series({**test.iloc[0], "patient": None})
    _bridge(accepted, one, test.iloc[0])
    new = load_dataset(accepted.datasets, accepted.freeze().dataset_id).set_index("image_id")
    assert test.iloc[0]["image_id"] not in new.index
    assert new.loc["f" * 64, "split"] == "test"
