import json

import pytest

from ml.contract.errors import InvalidParams
from ml.data.suite import Expectation, applicable, missing, read_suite
from tests.unit.data.home import PROJECT

SUITES = sorted((PROJECT / "expectations").glob("*.json"))


def _expectation(kwargs: dict, **meta: object) -> Expectation:
    return Expectation("c", "r", "critical", {"type": "t", "kwargs": kwargs, "meta": meta})


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_reviewed_suites_are_read_and_tell_what_they_are_about(path) -> None:
    suite = read_suite(path)
    assert suite.name == path.stem
    assert suite.level in {"row", "batch", "manifest", "dataset"}
    assert suite.expectations
    assert json.loads(path.read_text())["meta"]["note"]


def test_parameters_take_their_places() -> None:
    item = _expectation({"column": "width", "min_value": {"$PARAMETER": "least"}, "max_value": 9})
    (filled,) = applicable([item], {"least": 4})
    assert filled.content["kwargs"] == {"column": "width", "min_value": 4, "max_value": 9}
    assert filled.columns == ["width"]


def test_a_parameter_that_there_is_not_is_named() -> None:
    item = _expectation({"min_value": {"$PARAMETER": "lest"}})
    with pytest.raises(InvalidParams, match="lest"):
        applicable([item], {"least": 4})


def test_columns_of_pairs_and_lists_are_named() -> None:
    item = _expectation({"column_A": "a", "column_B": "b", "column_list": ["c", "d"], "x": "e"})
    assert sorted(item.columns) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("counts", "told"), [({"files": 3}, ""), ({"files": 2}, "too few files: 2, not 3"), ({}, None)]
)
def test_what_is_missing_is_told(counts: dict, told: str | None) -> None:
    lacking = missing(_expectation({}, needs={"files": 3}), counts)
    assert lacking == (told if told is not None else "too few files: 0, not 3")
