import json
from pathlib import Path

import pandas as pd
import pytest

from ml.contract.errors import InvalidParams
from ml.data.checkpoint import Checkpoints, ExpectationBroken
from tests.unit.data.home import GOOD_ROW, PROJECT, small_params


def _suite(folder: Path, kwargs: dict[str, object], *, level: str = "row") -> Path:
    path = folder / "suite.json"
    expectation = {
        "type": "expect_column_values_to_be_between",
        "kwargs": kwargs,
        "severity": "critical",
        "meta": {"reason": "too small"},
    }
    suite = {"name": "suite", "meta": {"level": level}, "expectations": [expectation]}
    path.write_text(json.dumps(suite))
    return path


def test_failing_rows_are_named_with_the_reviewed_reason(tmp_path: Path) -> None:
    suite = _suite(tmp_path, {"column": "width", "min_value": {"$PARAMETER": "least"}})
    frame = pd.DataFrame({"row": [5, 6, 7], "width": [10.0, 100.0, 3.0]})
    (finding,) = Checkpoints().run(suite, frame, {"least": 50})
    assert (finding.reason, finding.critical, finding.rows) == ("too small", True, (5, 7))
    assert Checkpoints().run(suite, frame, {"least": 1}) == []


def test_an_expectation_about_a_missing_column_stops_the_stage(tmp_path: Path) -> None:
    suite = _suite(tmp_path, {"column": "depth", "min_value": 1})
    with pytest.raises(ExpectationBroken, match="too small"):
        Checkpoints().run(suite, pd.DataFrame({"row": [1], "width": [1]}), {})


@pytest.mark.parametrize("content", [None, "{", '{"surprise": 1}'])
def test_an_unreadable_suite_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "suite.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidParams, match=r"suite\.json"):
        Checkpoints().run(path, pd.DataFrame({"row": [1]}), {})


@pytest.mark.parametrize("name", ["incoming_image", "batch"])
def test_reviewed_suites_say_why_and_how_severe_each_expectation_is(name: str) -> None:
    suite = json.loads((PROJECT / "expectations" / f"{name}.json").read_text())
    assert suite["name"] == name
    for expectation in suite["expectations"]:
        assert expectation["severity"] in {"critical", "warning"}
        assert expectation["meta"]["reason"]


def test_reviewed_suites_hold_for_a_good_batch() -> None:
    params = small_params().model_dump(mode="json")
    labels = ("normal", "benign", "malignant")
    frame = pd.DataFrame(
        [{**GOOD_ROW, "row": row, "label": label} for row, label in enumerate(labels)]
    )
    checkpoints = Checkpoints()
    for name in ("incoming_image", "batch"):
        assert checkpoints.run(PROJECT / "expectations" / f"{name}.json", frame, params) == []
