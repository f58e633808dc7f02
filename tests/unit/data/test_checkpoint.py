import json
from pathlib import Path

import pandas as pd
import pytest

from ml.contract.errors import InvalidParams
from ml.data.checkpoint import Checkpoints, ExpectationBroken

WIDTH = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "width", "min_value": {"$PARAMETER": "least"}},
    "severity": "critical",
    "meta": {"code": "narrow", "reason": "too small"},
}
NAMED = {
    "type": "expect_column_values_to_not_be_null",
    "kwargs": {"column": "patient"},
    "severity": "warning",
    "meta": {"code": "nameless", "reason": "no patient"},
}
SHARE = {
    "type": "expect_column_mean_to_be_between",
    "kwargs": {"column": "width", "max_value": 0.1},
    "severity": "critical",
    "meta": {"code": "wide", "reason": "too wide"},
}


def _suite(folder: Path, *expectations: dict, level: str = "row") -> Path:
    path = folder / "suite.json"
    suite = {"name": "suite", "meta": {"level": level}, "expectations": expectations}
    path.write_text(json.dumps(suite))
    return path


def _with(expectation: dict, **meta: object) -> dict:
    return {**expectation, "meta": {**expectation["meta"], **meta}}


def test_failing_rows_are_named_with_what_was_observed_and_expected(tmp_path: Path) -> None:
    frame = pd.DataFrame({"row": [5, 6, 7], "width": [10.0, 100.0, 3.0]})
    suite = _suite(tmp_path, WIDTH)
    (finding,) = Checkpoints().run(suite, frame, {"least": 50}).findings
    assert (finding.code, finding.reason, finding.critical) == ("narrow", "too small", True)
    assert (finding.rows, finding.observed) == ((5, 7), (10.0, 3.0))
    assert (finding.column, finding.bound) == ("width", {"min_value": 50})
    assert finding.expectation == "expect_column_values_to_be_between"
    assert Checkpoints().run(suite, frame, {"least": 1}).findings == []


def test_warnings_are_about_the_rows_that_are_left_and_are_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"row": range(4), "width": [1, 9, 9, 9], "patient": [None, None, "p", "q"]}
    )
    outcome = Checkpoints().run(_suite(tmp_path, NAMED, WIDTH), frame, {"least": 5})
    nameless, narrow = outcome.findings
    assert narrow.rows == (0,)
    assert (nameless.rows, nameless.count, nameless.detail) == ((), 1, "1 of 3")


def test_what_ran_tells_of_every_expectation_in_the_suites_order(tmp_path: Path) -> None:
    needy = _with(NAMED, code="needy", needs={"files": 9})
    frame = pd.DataFrame({"row": range(3), "width": [1, 9, 9], "patient": ["p", None, None]})
    checkpoints = Checkpoints()
    checkpoints.run(_suite(tmp_path, NAMED, needy, WIDTH), frame, {"least": 5})
    (ran,) = checkpoints.ran
    told = [(line.code, line.held, line.seen) for line in ran.lines]
    assert told == [
        ("nameless", False, "2 of 2"),
        ("needy", None, "too few files: 0, not 9"),
        ("narrow", False, "1 of 3"),
    ]
    assert ran.lines[2].expected == "width values must be greater than or equal to 5."


@pytest.mark.parametrize(("width", "detail"), [([0.25, 0.75], "50.0%"), ([2, 4], "300.0%")])
def test_a_measure_of_the_whole_is_told(tmp_path: Path, width: list, detail: str) -> None:
    suite = _suite(tmp_path, SHARE, level="batch")
    (finding,) = Checkpoints().run(suite, pd.DataFrame({"width": width}), {}).findings
    assert (finding.detail, finding.rows, finding.count) == (detail, (), 0)


def test_an_expectation_applies_only_where_a_parameter_says_so(tmp_path: Path) -> None:
    suite = _suite(tmp_path, _with(WIDTH, when={"mode": "strict"}))
    frame = pd.DataFrame({"row": [0], "width": [1]})
    for mode, found in (("strict", 1), ("lenient", 0)):
        values = {"least": 5, "mode": mode}
        assert len(Checkpoints().run(suite, frame, values).findings) == found


def test_too_little_of_something_leaves_an_expectation_unjudged(tmp_path: Path) -> None:
    suite = _suite(tmp_path, _with(SHARE, needs={"known_sites": 2, "files": 1}), level="batch")
    frame = pd.DataFrame({"width": [9]})
    outcome = Checkpoints().run(suite, frame, {}, {"known_sites": 1, "files": 1})
    assert outcome.findings == []
    assert outcome.unjudged == ["too wide (too few known sites: 1, not 2)"]
    assert Checkpoints().run(suite, frame, {}, {"known_sites": 2, "files": 1}).unjudged == []


def test_an_expectation_about_a_missing_column_stops_the_stage(tmp_path: Path) -> None:
    frame = pd.DataFrame({"row": [1], "height": [1]})
    with pytest.raises(ExpectationBroken, match="too small"):
        Checkpoints().run(_suite(tmp_path, WIDTH), frame, {"least": 1})


@pytest.mark.parametrize("content", [None, "{", '{"surprise": 1}', "[]"])
def test_an_unreadable_suite_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "suite.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidParams, match="The suite suite cannot be read"):
        Checkpoints().run(path, pd.DataFrame({"row": [1]}), {})


@pytest.mark.parametrize(
    "wrong",
    [
        {**WIDTH, "meta": {"reason": "nobody knows it by code"}},
        {**WIDTH, "severity": "catastrophic"},
        {**WIDTH, "type": "expect_the_unexpected"},
        {**WIDTH, "kwargs": {"colum": "width"}},
    ],
)
def test_a_suite_with_a_wrong_expectation_is_refused(tmp_path: Path, wrong: dict) -> None:
    frame = pd.DataFrame({"row": [1], "width": [1]})
    with pytest.raises(InvalidParams, match="The suite suite"):
        Checkpoints().run(_suite(tmp_path, wrong), frame, {"least": 1})
