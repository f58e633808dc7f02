import logging
import threading
from pathlib import Path

import pytest

from ml.contract.errors import NotFound
from ml.journey.guard import Guard, end_trial, start_canary, start_shadow
from ml.journey.promote import aliases
from ml.journey.run import database_of, tracker_of
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.registry.models import PRODUCTION, point_alias, register_bundle, tag_version
from ml.settings import PROJECT_ROOT
from ml.store import ledger
from ml.store.predictions import insert_predictions
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.unit.store.examples import prediction

PARAMS = load_params(PROJECT_ROOT / "params.toml", overrides=["guard.poll_seconds=0.01"])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


@pytest.fixture
def registered(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Version 1 in production, version 2 with its gates passed."""
    tracker = tracker_of(workspace)
    for key in ("one", "two"):
        bundle = write_tiny_bundle(tmp_path / key, run_key=key, reference_images=1)
        version = register_bundle(tracker, tracker.open_run("t", key, name=key), bundle, key)
        tag_version(tracker, version.version, "gate", "promote")
    point_alias(tracker, PRODUCTION, "1")
    return workspace


def log_answers(workspace: Workspace, *, canary_label: str, n: int = 60) -> None:
    """As many answers of production, all normal, as of the canary, dated after its start."""
    database = database_of(workspace)
    at = ledger.read(database)[-1].at
    models = {"production": ("1", "normal"), "canary": ("2", canary_label)}
    insert_predictions(
        database,
        [
            prediction(
                f"{role}-{number}",
                at=at,
                role=role,
                label=label,
                model={"name": "vigie", "version": version, "bundle": "ab" * 32},
            )
            for role, (version, label) in models.items()
            for number in range(n)
        ],
    )


def test_without_a_trial_there_is_nothing_to_judge(registered):
    result = Guard(registered, PARAMS).look()
    assert (result.version, result.withdrawn, result.verdict) == (None, False, None)


def test_a_canary_is_judged_by_what_was_logged_since_it_started(registered):
    start_canary(registered, "2", weight=0.5, actor="ops", reason="try")
    log_answers(registered, canary_label="malignant")
    start_canary(registered, "2", weight=0.6, actor="ops", reason="more")
    guard = Guard(registered, PARAMS)
    assert guard.look().verdict.state == "insufficient"
    assert aliases(registered)["canary"].version == "2"


@pytest.mark.parametrize(("label", "withdrawn"), [("malignant", True), ("normal", False)])
def test_only_a_canary_that_answers_otherwise_is_withdrawn(registered, label, withdrawn):
    start_canary(registered, "2", weight=0.5, actor="ops", reason="try")
    log_answers(registered, canary_label=label)
    result = Guard(registered, PARAMS).look()
    assert result.withdrawn is withdrawn
    assert ("canary" in aliases(registered)) is not withdrawn
    assert aliases(registered)["production"].version == "1"
    last = ledger.read(database_of(registered))[-1]
    assert last.action == ("withdraw" if withdrawn else "canary")


def test_a_trial_can_be_ended_by_hand_once(registered):
    start_shadow(registered, "2", actor="ops", reason="look")
    end_trial(registered, "shadow", actor="ops", reason="seen enough")
    assert "shadow" not in aliases(registered)
    with pytest.raises(NotFound):
        end_trial(registered, "shadow", actor="ops", reason="again")


def test_a_watching_guard_asks_no_registry_before_the_first_trial(workspace, tmp_path):
    guard = Guard(workspace, PARAMS)
    stopping = threading.Event()
    for result in guard.watch(stopping):
        assert result.verdict is None
        stopping.set()
    assert not (workspace.home / "mlflow").exists()


def test_a_watching_guard_outlives_a_database_that_does_not_answer(workspace, caplog):
    caplog.set_level(logging.WARNING)
    blocked = workspace.home / "vigie.db"
    blocked.mkdir(parents=True)
    stopping = threading.Event()
    results = []
    threading.Timer(0.5, blocked.rmdir).start()
    for result in Guard(workspace, PARAMS).watch(stopping):
        results.append(result)
        stopping.set()
    assert "could not look" in caplog.text
    assert len(results) == 1
