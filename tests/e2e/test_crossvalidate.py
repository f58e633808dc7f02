import json

import pytest

from tests.e2e.conftest import Journey, overrides

pytestmark = pytest.mark.slow


def test_the_recipe_is_judged_by_pooled_answers_on_both_splits(journey: Journey) -> None:
    small = [*overrides(), "--set", "training.epochs=3"]
    judged = journey.vigie("--json", "crossvalidate", "--folds", "2", "--processes", "1", *small)
    assert judged.returncode == 0, judged.stderr
    result = json.loads(judged.stdout)
    assert result["dataset_id"] == journey.summary["dataset_id"]
    for split in ("honest", "paper"):
        vote = result[split]["vote"]
        assert vote["accuracy"]["n"] == result["images"]
        assert vote["accuracy"]["lower"] <= vote["accuracy"]["estimate"]
        assert result[split]["weights"] == {"cnn": 1.0}
    assert "2 of 2 trained" in judged.stderr
    kept = journey.workspace.run(result["run_key"]) / "crossvalidation.json"
    assert json.loads(kept.read_text()) == result


def test_too_many_folds_are_a_clear_refusal(journey: Journey) -> None:
    refused = journey.vigie("crossvalidate", "--folds", "400", *overrides())
    assert refused.returncode == 3
    assert "fewer folds" in refused.stderr
    assert "Traceback" not in refused.stderr
