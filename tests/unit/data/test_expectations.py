"""Every expectation of the reviewed suites is seen to hold and seen to fail."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from ml.data.assessment import suite_parameters
from ml.data.checkpoint import Checkpoints, Outcome
from tests.unit.data.home import GOOD_ROW, PROJECT, small_params

LABELS = ("normal", "benign", "malignant")
SPLITS = ("train", "validation", "test")
# Enough of everything that any expectation needs.
COUNTS = dict.fromkeys(
    [
        *("files", "labelled", "named", "patients", "datasets", "known_sites", "sites"),
        *("rows", "groups", "last_sites", "sites_kept"),
    ],
    1000,
)
KNOWN: dict[str, object] = {
    "known_sites": ["s", "t"],
    "expected_sites": ["s"],
    "classes_in_splits": [f"{label}/{split}" for label in LABELS for split in SPLITS],
    "last_images": 18,
    "last_sites": ["s"],
}
# What a row needs to fail, by the code of the expectation.
BAD_ROW: dict[str, dict[str, object]] = {
    "no-label": {"label": None},
    "unknown-label": {"label": "cyst"},
    "width-out-of-bounds": {"width": 63},
    "height-out-of-bounds": {"height": 8193},
    "too-elongated": {"aspect": 4.1},
    "few-bits": {"bits_stored": 7},
    "blank": {"std": 2.9},
    "all-black": {"black_share": 0.99},
    "all-white": {"white_share": 0.91},
    "all-border": {"border_share": 0.91},
    "no-texture": {"entropy": 1.4},
    "blurred": {"sharpness": 3.9},
    "not-grey": {"colourfulness": 60.1},
    "elongated": {"aspect": 2.6},
    "low-contrast": {"contrast": 39.0},
    "mostly-black": {"black_share": 0.81},
    "mostly-white": {"white_share": 0.51},
    "wide-border": {"border_share": 0.51},
    "few-levels": {"entropy": 2.9},
    "soft": {"sharpness": 29.0},
    "coloured": {"colourfulness": 12.1},
    "text-seen": {"text_lines": 1},
    "no-patient": {"patient": None},
    "no-study": {"study": None},
    "no-site": {"site": None},
    "no-scanner": {"scanner": None},
}
# What all rows need for the whole to fail, by the code of the expectation.
BAD_BATCH: dict[str, dict[str, object]] = {
    "many-rejected": {"rejected": 1},
    "many-unreadable": {"unreadable": 1},
    "many-repeated": {"repeated": 1},
    "class-missing": {"label": "benign"},
    "one-class": {"label_share": 0.96},
    "class-mix": {"class_mix_distance": 0.26},
    "patient-burst": {"patient_share": 0.51},
    "new-site": {"site": ["s", "t", "elsewhere"] * 6},
    "silent-site": {"site": "t"},
}
BAD_MANIFEST: dict[str, dict[str, object]] = {
    "bad-image-id": {"id_is_sha256": 0},
    "listed-twice": {"times_listed": 2},
    "strange-batch": {"in_own_file": 0},
    "no-hash": {"has_phash": 0},
    "no-width": {"width": 0},
    "no-height": {"height": 0},
    "mean-range": {"mean": 256.0},
    "std-range": {"std": 128.0},
    "contrast-range": {"contrast": -1.0},
    "entropy-range": {"entropy": 8.1},
    "sharpness-range": {"sharpness": -1.0},
    "black-range": {"black_share": 1.1},
    "white-range": {"white_share": -0.1},
    "border-range": {"border_share": 1.1},
    "colour-range": {"colourfulness": 256.0},
    "retired-label": {"label": "cyst"},
    "no-descriptor": {"has_descriptor": 0},
    "few-patients": {"has_patient": 0},
}
BAD_DATASET: dict[str, dict[str, object]] = {
    "image-twice": {"image_id": "a"},
    "group-divided": {"group_splits": 2},
    "past-test-moved": {"past_test_moved": 1},
    "unknown-label": {"label": "cyst"},
    "no-label": {"label": None},
    "unknown-split": {"split": "holdout"},
    "class-missing-from-split": {"class_in_split": "benign/train"},
    "few-in-split": {"images_of_class_in_split": 9},
    "split-shares": {"split_gap": 0.06},
    "one-class": {"label_share": 0.91},
    "class-mix": {"class_mix_distance": 0.26},
    "site-gone": {"site": "t"},
    "site-shrank": {"site_kept": 0.89},
    "few-patients": {"patient": None},
}
BAD = {"batch": BAD_BATCH, "manifest": BAD_MANIFEST, "dataset": BAD_DATASET}
EMPTY = {"batch": {"empty-batch"}, "manifest": set(), "dataset": {"empty-dataset"}}
SMALLER = {"batch": set(), "manifest": set(), "dataset": {"shrank"}}
GOOD_WHOLE: dict[str, object] = {
    "unreadable": 0,
    "rejected": 0,
    "repeated": 0,
    "label_share": 0.3,
    "patient_share": 0.1,
    "class_mix_distance": 0.1,
    "id_is_sha256": 1,
    "times_listed": 1,
    "in_own_file": 1,
    "has_patient": 1,
    "has_phash": 1,
    "has_descriptor": 1,
    "group_splits": 1,
    "past_test_moved": 0,
    "images_of_class_in_split": 10,
    "split_gap": 0.01,
    "site_kept": 1.2,
}
"""Beside an image's own values, what makes a row of a good batch, manifest or dataset."""


def _whole(**changes: object) -> pd.DataFrame:
    rows = [
        {
            **GOOD_ROW,
            **GOOD_WHOLE,
            "label": label,
            "split": split,
            "class_in_split": f"{label}/{split}",
        }
        for label in LABELS
        for split in SPLITS
        for _ in range(2)
    ]
    ids = [f"{number:064x}" for number in range(len(rows))]
    return pd.DataFrame(rows).assign(image_id=ids, row=range(len(rows))).assign(**changes)


def _run(suite: str, frame: pd.DataFrame, counts: Mapping[str, int] = COUNTS) -> Outcome:
    values = {**suite_parameters(small_params("data.quality.unlabelled=reject")), **KNOWN}
    return Checkpoints().run(PROJECT / "expectations" / f"{suite}.json", frame, values, counts)


def _content(suite: str) -> list[dict]:
    return json.loads((PROJECT / "expectations" / f"{suite}.json").read_text())["expectations"]


@pytest.mark.parametrize("suite", ["incoming_image", *BAD])
def test_every_expectation_has_a_case_here(suite: str) -> None:
    codes = [item["meta"]["code"] for item in _content(suite)]
    assert len(codes) == len(set(codes))
    bad = BAD_ROW if suite == "incoming_image" else BAD[suite]
    assert set(codes) == {*bad, *EMPTY.get(suite, ()), *SMALLER.get(suite, ())}


@pytest.mark.parametrize("suite", ["incoming_image", *BAD])
def test_good_rows_pass_every_expectation(suite: str) -> None:
    assert _run(suite, _whole()) == Outcome([], [])


def test_a_bad_row_fails_its_expectation_and_no_other() -> None:
    bad = pd.DataFrame([{**GOOD_ROW, **change} for change in BAD_ROW.values()])
    frame = pd.concat([_whole(), bad], ignore_index=True).assign(row=lambda rows: range(len(rows)))
    findings = _run("incoming_image", frame).findings
    assert [finding.code for finding in findings] == list(BAD_ROW)
    for finding, row in zip(findings, range(18, len(frame)), strict=True):
        if finding.critical:
            assert finding.rows == (row,)
        else:
            assert (finding.rows, finding.count) == ((), 1)


@pytest.mark.parametrize(
    ("suite", "code"), [(suite, code) for suite, bad in BAD.items() for code in bad]
)
def test_a_bad_whole_fails_its_expectation_and_no_other(suite: str, code: str) -> None:
    (finding,) = _run(suite, _whole(**BAD[suite][code])).findings
    assert (finding.code, finding.rows) == (code, ())
    assert finding.detail


@pytest.mark.parametrize("suite", BAD)
def test_an_empty_or_smaller_whole_is_told(suite: str) -> None:
    empty = {finding.code for finding in _run(suite, _whole().iloc[:0], {}).findings}
    assert empty >= EMPTY[suite]
    smaller = {finding.code for finding in _run(suite, _whole().iloc[:17]).findings}
    assert smaller == SMALLER[suite]


@pytest.mark.parametrize(
    ("parameter", "change"), [("unlabelled", "no-label"), ("colour", "not-grey")]
)
def test_what_is_kept_by_parameter_is_no_fault(parameter: str, change: str) -> None:
    values = suite_parameters(small_params(f"data.quality.{parameter}=keep"))
    suite = PROJECT / "expectations" / "incoming_image.json"
    assert Checkpoints().run(suite, _whole(**BAD_ROW[change]), values).findings == []


@pytest.mark.parametrize("suite", ["batch", "manifest", "dataset"])
def test_what_needs_more_than_there_is_is_not_judged(suite: str) -> None:
    needing = [item for item in _content(suite) if "needs" in item["meta"]]
    outcome = _run(suite, _whole(), {})
    assert len(outcome.unjudged) == len(needing) > 0
    assert np.all(["too few" in sentence for sentence in outcome.unjudged])
