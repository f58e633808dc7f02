"""A registered version is rebuilt from what was recorded about it."""

import json

import pytest

from ml.contract.errors import NotFound
from ml.journey.reproduce import reproduce
from ml.journey.run import Run
from tests.e2e.conftest import Journey

pytestmark = pytest.mark.slow


def test_a_version_is_rebuilt_to_the_same_weights_and_metrics(journey: Journey) -> None:
    done = journey.vigie("--json", "reproduce", "1")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["same"], result
    assert [member["same_weights"] for member in result["members"]] == [True]
    assert {metric["name"] for metric in result["metrics"]} >= {"accuracy", "macro_f1"}
    assert result["warnings"] == []
    rebuilt = Run.open(journey.workspace, result["run_key"])
    recorded = Run.open(journey.workspace, journey.summary["run_key"])
    assert rebuilt.params == recorded.params
    assert rebuilt.info.dataset_id == recorded.info.dataset_id


def test_an_unknown_version_is_refused(journey: Journey) -> None:
    with pytest.raises(NotFound, match="no version 99"):
        reproduce(journey.workspace, "99")


def test_a_version_whose_run_is_gone_is_refused_with_what_to_restore(journey: Journey) -> None:
    folder = journey.workspace.run(journey.summary["run_key"])
    moved = folder.rename(folder.with_name("elsewhere"))
    try:
        with pytest.raises(NotFound, match=r"Restore .* from a backup"):
            reproduce(journey.workspace, "1")
    finally:
        moved.rename(folder)
