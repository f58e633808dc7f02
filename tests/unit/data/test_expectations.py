"""Every expectation of the reviewed suites is seen to hold and seen to fail."""

import json

import pandas as pd
import pytest

from ml.data.checkpoint import Checkpoints, Finding
from tests.unit.data.home import GOOD_ROW, PROJECT, small_params

SUITES = ("incoming_image", "batch")
# What a row needs to fail, by the reason that it is given.
BAD_ROW: dict[str, dict[str, object]] = {
    "no label": {"label": None},
    "unknown label": {"label": "cyst"},
    "width out of bounds": {"width": 63},
    "height out of bounds": {"height": 8193},
    "blank image: hardly any contrast": {"std": 2.9},
    "almost entirely black": {"black_share": 0.99},
    "almost entirely white": {"white_share": 0.91},
    "few grey levels": {"entropy": 2.9},
    "coloured: Doppler or drawn marks?": {"colourfulness": 12.1},
    "no patient: only near-duplicates are kept together": {"patient": None},
    "no site: missing from per-site results": {"site": None},
    "no scanner: missing from per-scanner results": {"scanner": None},
}
# What every row of a batch needs for the batch to fail.
BAD_BATCH: dict[str, dict[str, object]] = {
    "too large a share of the files was rejected": {"rejected": 1},
    "more than 5 % of the files are unreadable": {"unreadable": 1},
    "most files were delivered before": {"repeated": 1},
    "a class has no images in this batch": {"label": "benign"},
}
EMPTY = "the batch is empty"


def _batch(**changes: object) -> pd.DataFrame:
    rows = [{**GOOD_ROW, "label": label} for label in ("normal", "benign", "malignant")]
    return pd.DataFrame(rows).assign(row=range(3), **changes)


def _findings(suite: str, frame: pd.DataFrame) -> list[Finding]:
    values = small_params().model_dump(mode="json")
    return Checkpoints().run(PROJECT / "expectations" / f"{suite}.json", frame, values)


@pytest.mark.parametrize(
    ("suite", "reasons"),
    [("incoming_image", set(BAD_ROW)), ("batch", {EMPTY, *BAD_BATCH})],
)
def test_every_expectation_has_a_case_here(suite: str, reasons: set[str]) -> None:
    content = json.loads((PROJECT / "expectations" / f"{suite}.json").read_text())
    assert {item["meta"]["reason"] for item in content["expectations"]} == reasons


@pytest.mark.parametrize("suite", SUITES)
def test_good_rows_pass_every_expectation(suite: str) -> None:
    assert _findings(suite, _batch()) == []


@pytest.mark.parametrize("reason", BAD_ROW)
def test_a_bad_row_fails_its_expectation_and_no_other(reason: str) -> None:
    frame = _batch()
    frame = pd.concat([frame, pd.DataFrame([{**GOOD_ROW, "row": 3, **BAD_ROW[reason]}])])
    (finding,) = _findings("incoming_image", frame)
    assert (finding.reason, finding.rows) == (reason, (3,))


@pytest.mark.parametrize("reason", BAD_BATCH)
def test_a_bad_batch_fails_its_expectation_and_no_other(reason: str) -> None:
    (finding,) = _findings("batch", _batch(**BAD_BATCH[reason]))
    assert (finding.reason, finding.rows) == (reason, ())


def test_an_empty_batch_fails() -> None:
    assert EMPTY in {finding.reason for finding in _findings("batch", _batch().iloc[:0])}
