from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ml.data.assessment import suite_parameters
from ml.data.checkpoint import Checkpoints, Outcome
from ml.data.manifest import SCHEMA, commit_rows
from ml.data.manifest_check import check_manifest
from tests.unit.data.home import PROJECT, small_params

FIRST, OTHER = "a" * 64, "b" * 64


def make_rows(batch: str, **values: object) -> pa.Table:
    row = {
        "image_id": FIRST,
        "label": "benign",
        "patient": "p",
        "phash": 1,
        "descriptor": b"d",
        "width": 90,
        "height": 80,
        "mean": 100.0,
        "batch_id": batch,
        "ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
        **values,
    }
    return pa.Table.from_pylist([row], SCHEMA)


def _check(manifest: Path, joining: tuple[str, pa.Table] | None = None) -> Outcome:
    outcome, _ = check_manifest(
        manifest,
        suites=PROJECT / "expectations",
        parameters=suite_parameters(small_params()),
        checkpoints=Checkpoints(),
        joining=joining,
    )
    return outcome


def _codes(outcome: Outcome) -> list[str]:
    return [finding.code for finding in outcome.findings]


def test_a_sound_manifest_passes_and_so_does_an_empty_one(tmp_path: Path) -> None:
    assert _codes(_check(tmp_path)) == []
    commit_rows(tmp_path, "one", make_rows("one"), settled=[])
    commit_rows(tmp_path, "two", make_rows("two", image_id=OTHER), settled=[])
    assert _codes(_check(tmp_path)) == []


@pytest.mark.parametrize(
    ("again", "codes"),
    [
        ({}, ["listed-twice"]),
        ({"label": None}, []),
        ({"patient": None}, []),
        ({"image_id": OTHER}, []),
    ],
)
def test_an_image_stands_there_again_only_with_what_came_later(
    tmp_path: Path, again: dict, codes: list[str]
) -> None:
    commit_rows(tmp_path, "one", make_rows("one"), settled=[])
    joining = make_rows("two", **again)
    assert _codes(_check(tmp_path, ("two", joining))) == codes
    commit_rows(tmp_path, "two", joining, settled=[])
    assert _codes(_check(tmp_path)) == codes
    # The batch itself is not counted twice when it is validated again.
    assert _codes(_check(tmp_path, ("two", joining))) == codes


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"image_id": "short"}, "bad-image-id"),
        ({"image_id": None}, "bad-image-id"),
        ({"batch_id": "other"}, "strange-batch"),
        ({"batch_id": None}, "strange-batch"),
        ({"phash": None}, "no-hash"),
        ({"descriptor": None}, "no-descriptor"),
        ({"mean": 300.0}, "mean-range"),
        ({"label": "cyst"}, "retired-label"),
    ],
)
def test_what_validation_never_wrote_is_found(tmp_path: Path, values: dict, code: str) -> None:
    commit_rows(tmp_path, "one", make_rows("one", **values), settled=[])
    assert _codes(_check(tmp_path)) == [code]
