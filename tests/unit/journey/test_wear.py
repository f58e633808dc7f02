"""How often a test split has judged, from a real ledger and real dataset folders."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from ml.evaluation.wear import split_digest
from ml.journey.results import RunInfo
from ml.journey.run import Run, database_of
from ml.journey.wear import wear_of
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.store import ledger


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "var", expectations=PROJECT_ROOT / "expectations")


def freeze(workspace: Workspace, name: str, test: list[str]) -> None:
    """As much of a dataset as tells its test images."""
    folder = workspace.datasets / name
    folder.mkdir(parents=True)
    rows = [{"image_id": image, "split": "test"} for image in test]
    pd.DataFrame([*rows, {"image_id": f"{name}-train", "split": "train"}]).to_parquet(
        folder / "rows.parquet"
    )
    leak = dict.fromkeys(
        ("exact_copies", "near_duplicate_pairs", "cross_split_groups", "conflicting_groups"), 0
    )
    record = {
        "dataset_id": name, "images": len(test) + 1, "groups": 2, "per_class": {}, "per_split": {},
        "leak": leak, "card": "", "created_at": "2026-01-01",
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(record))


def run_on(workspace: Workspace, key: str, dataset: str) -> Run:
    info = RunInfo.model_construct(run_key=key, dataset_id=dataset, started_at=datetime.now(UTC))
    params = load_params(PROJECT_ROOT / "params.toml", profile="demo")
    return Run(workspace.run(key), info, params)


@pytest.fixture
def judge(workspace: Workspace) -> Callable[..., int]:
    """Judge a candidate as the gate does; return which use of its test split it is."""

    def enter(key: str, dataset: str, bundle: str = "b1") -> int:
        wear = wear_of(workspace, run_on(workspace, key, dataset), bundle)
        ledger.append(
            database_of(workspace),
            actor="pipeline",
            action="gate",
            subject=key,
            reason="",
            evidence={
                "dataset_id": dataset,
                "test_split": wear.test_split,
                "bundle_sha256": bundle,
            },
        )
        return wear.use

    return enter


OLD = [f"old{number}" for number in range(10)]
NEW = [f"new{number}" for number in range(10)]


def test_every_candidate_wears_its_test_split_once(workspace, judge):
    freeze(workspace, "first", OLD)
    assert [judge("a", "first"), judge("b", "first"), judge("c", "first")] == [1, 2, 3]


def test_judging_the_same_candidate_again_is_the_same_use(workspace, judge):
    freeze(workspace, "first", OLD)
    assert [judge("a", "first"), judge("b", "first")] == [1, 2]
    assert [judge("a", "first"), judge("b", "first"), judge("c", "first")] == [1, 2, 3]


def test_another_bundle_of_the_same_run_is_another_candidate(workspace, judge):
    freeze(workspace, "first", OLD)
    assert [judge("a", "first", "b1"), judge("a", "first", "b2")] == [1, 2]


def test_a_dataset_with_the_same_test_images_or_a_few_more_is_worn_alike(workspace, judge):
    freeze(workspace, "first", OLD)
    freeze(workspace, "more-training", OLD)
    freeze(workspace, "a-few-more", OLD + NEW[:3])
    assert [judge("a", "first"), judge("b", "more-training"), judge("c", "a-few-more")] == [1, 2, 3]


def test_mostly_new_test_images_are_fresh(workspace, judge):
    freeze(workspace, "first", OLD)
    freeze(workspace, "fresh", [*NEW, "old1"])
    assert [judge("a", "first"), judge("b", "first"), judge("c", "fresh")] == [1, 2, 1]


def test_a_dataset_that_is_gone_counts(workspace, judge):
    freeze(workspace, "first", OLD)
    freeze(workspace, "second", NEW)
    judge("a", "first")
    (workspace.datasets / "first" / "dataset.json").unlink()
    assert judge("b", "second") == 2


def test_the_split_is_named_by_its_images_and_says_what_it_judged(workspace, judge):
    freeze(workspace, "first", OLD)
    judge("a", "first")
    wear = wear_of(workspace, run_on(workspace, "b", "first"), "b1")
    assert wear.test_split == split_digest(OLD)
    assert wear.earlier == ["a"]


def test_decisions_made_without_a_measurement_wear_nothing(workspace, judge):
    freeze(workspace, "first", OLD)
    ledger.append(
        database_of(workspace), actor="pipeline", action="gate", subject="x", reason="",
        evidence={"verdict": "refuse", "dataset_id": "first"},
    )  # fmt: skip
    assert judge("a", "first") == 1
