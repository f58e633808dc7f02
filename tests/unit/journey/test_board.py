import json
from pathlib import Path

import pytest

from ml.contract.errors import (
    AlreadyDecided,
    LedgerBroken,
    NotFound,
    PromotionConflict,
    Refusal,
)
from ml.journey.approval import read_approval
from ml.journey.board import ask_server, read_board, run_of
from ml.journey.board_decisions import approve_and_promote, refuse
from ml.journey.board_pages import drift_page, run_page
from ml.journey.guard import start_canary, start_shadow
from ml.journey.promote import promote, rollback
from ml.journey.run import Run, database_of, tracker_of
from ml.journey.workspace import Workspace
from ml.registry.models import PRODUCTION, point_alias, tag_version
from ml.settings import PROJECT_ROOT
from ml.store import ledger
from ml.store.database import writing
from ml.store.tables import LEDGER
from tests.fakes.judged_runs import judged_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 in production; version 2, of another run, waits for a person."""
    home = tmp_path_factory.mktemp("home")
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    first = judged_run(workspace, "run-1")
    promote(workspace, "run-1", actor="pipeline", reason="the first one")
    judged_run(workspace, "run-2", incumbent=first, approval="always")
    return home


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    """A copy of it; what the registry names by path stays where it was."""
    import shutil

    shutil.copytree(made, tmp_path / "home")
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


def decide(workspace: Workspace, **changes: str | None) -> None:
    told = {"number": "2", "production": "1", "actor": "airflow:bo", "reason": "looks sound"}
    approve_and_promote(workspace, **(told | changes))  # type: ignore[arg-type]


def named(workspace: Workspace) -> tuple[str | None, ...]:
    board = read_board(workspace)
    both = (board.production, board.challenger, board.previous)
    return tuple(item.registered.version if item else None for item in both)


def test_an_empty_installation_has_an_empty_board(tmp_path: Path) -> None:
    board = read_board(Workspace.at(tmp_path, expectations=PROJECT_ROOT / "expectations"))
    assert (board.production, board.challenger, board.drift, board.ledger) == (None,) * 3 + ([],)
    assert all(board.why_not.values())


def test_incumbent_and_challenger_stand_side_by_side(workspace: Workspace) -> None:
    board = read_board(workspace)
    assert named(workspace) == ("1", "2", None)
    assert board.production is not None
    assert board.challenger is not None
    assert board.production.let_in is not None
    assert board.production.let_in.reason == "the first one"
    assert board.challenger.asked == "every model is approved by a person"
    assert board.challenger.approval is None
    assert board.challenger.evidence is not None
    assert board.challenger.evidence.incumbent.incumbent == "1"
    assert board.challenger.decision is not None
    assert board.challenger.decision.promote
    assert board.challenger.blessing is not None
    assert board.challenger.pages == ["evaluation", "model_card", "decision"]
    assert [line.action for line in board.ledger] == ["register", "promote", "register"]


def test_each_action_is_offered_or_says_why_not(workspace: Workspace) -> None:
    board = read_board(workspace)
    possible = {action for action, why in board.why_not.items() if not why}
    assert possible == {"promote", "refuse", "canary", "shadow"}
    assert board.why_not["rollback"] == "There is no previous version."
    start_canary(workspace, "2", weight=0.25, actor="ops", reason="try")
    start_shadow(workspace, "2", actor="ops", reason="compare")
    board = read_board(workspace)
    assert board.why_not["withdraw"] == ""
    assert board.canary is not None
    assert float(board.canary.weight) == 0.25
    assert board.shadow is not None


def test_a_challenger_that_its_gates_refuse_cannot_be_promoted(workspace: Workspace) -> None:
    judged_run(workspace, "run-3", flip_rate=0.5)
    board = read_board(workspace)
    assert board.why_not["promote"] == "Its gates refuse it."
    assert board.why_not["canary"] == "Its gates have not passed it."
    with pytest.raises(Refusal) as refusal:
        decide(workspace, number="3")
    assert "differ" in " ".join(refusal.value.reasons)
    assert read_approval(Run.open(workspace, "run-3")) is None


def test_whoever_promotes_approves_first_where_a_person_must(workspace: Workspace) -> None:
    decide(workspace)
    assert named(workspace) == ("2", None, "1")
    lines = ledger.newest(database_of(workspace), 2)
    assert [(line.action, line.actor, line.reason) for line in lines] == [
        ("promote", "airflow:bo", "looks sound"),
        ("approve", "airflow:bo", "looks sound"),
    ]


def test_a_rollback_is_told_of_both_versions(workspace: Workspace) -> None:
    decide(workspace)
    rollback(workspace, expected="2", actor="airflow:bo", reason="too many referrals")
    assert named(workspace) == ("1", "2", "2")
    board = read_board(workspace)
    assert board.production is not None
    assert board.production.let_in is not None
    assert board.production.let_in.action == "rollback"


def test_a_promotion_that_did_not_reach_production_can_be_withdrawn(workspace: Workspace) -> None:
    ledger.append(
        database_of(workspace),
        actor="pipeline",
        action="promote",
        subject="vigie/2",
        reason="weekly",
        evidence={"replaced": "1"},
    )
    assert read_board(workspace).why_not["rollback"] == ""
    rollback(workspace, expected="1", actor="airflow:bo", reason="it was interrupted")
    assert named(workspace) == ("1", "2", None)
    assert read_board(workspace).why_not["rollback"] == "There is no previous version."


def test_a_refused_challenger_is_promoted_only_by_approving_it(workspace: Workspace) -> None:
    refuse(workspace, "2", production="1", actor="airflow:bo", reason="slices are few")
    with pytest.raises(Refusal, match="refused by a person"):
        promote(workspace, "run-2", actor="ops")
    decide(workspace, actor="airflow:cy")
    actions = [line.action for line in ledger.newest(database_of(workspace), 3)]
    assert actions == ["promote", "approve", "refuse"]
    with pytest.raises(PromotionConflict):
        refuse(workspace, "2", production="1", actor="airflow:bo", reason="too late")


def test_where_a_second_person_must_approve_the_first_cannot(workspace: Workspace) -> None:
    judged_run(
        workspace,
        "run-3",
        incumbent=read_board(workspace).production.registered,  # type: ignore[union-attr]
        approval="always",
        second_person=True,
    )
    with pytest.raises(Refusal, match="does not approve it"):
        decide(workspace, number="3", actor="airflow:ada")
    decide(workspace, number="3", actor="airflow:bo")


def test_a_decision_on_an_older_board_changes_nothing(workspace: Workspace) -> None:
    before = len(ledger.read(database_of(workspace)))
    for stale in ({"number": "1"}, {"production": None}, {"production": "7"}):
        with pytest.raises(PromotionConflict, match="by now"):
            decide(workspace, **stale)
    assert len(ledger.read(database_of(workspace))) == before


def test_what_is_in_production_already_is_not_refused(workspace: Workspace) -> None:
    decide(workspace)
    point_alias(tracker_of(workspace), "challenger", "2")
    with pytest.raises(AlreadyDecided):
        refuse(workspace, "2", production="2", actor="airflow:bo", reason="too late")


def test_gates_that_compared_with_another_version_hold_the_challenger_back(
    workspace: Workspace,
) -> None:
    point_alias(tracker_of(workspace), PRODUCTION, "2")
    point_alias(tracker_of(workspace), "challenger", "1")
    assert "compared with version none" in read_board(workspace).why_not["promote"]


def test_evidence_of_another_bundle_is_none(workspace: Workspace) -> None:
    path = workspace.run("run-2") / "bundle" / "bundle.json"
    path.write_text(path.read_text() + " ")
    board = read_board(workspace)
    assert board.challenger is not None
    assert board.challenger.evidence is None
    assert "not the one of version 2" in board.challenger.missing
    assert "Evaluate, bless and gate the bundle" in board.challenger.missing
    assert board.why_not["promote"] == board.challenger.missing


def test_a_run_key_from_the_registry_leads_nowhere_else(workspace: Workspace) -> None:
    tag_version(tracker_of(workspace), "2", "run_key", "../../run-2")
    board = read_board(workspace)
    assert board.challenger is not None
    assert "names no run" in board.challenger.missing
    with pytest.raises(NotFound):
        run_of(workspace, board.challenger.registered)


def test_a_changed_line_is_not_shown_as_if_it_were_true(workspace: Workspace) -> None:
    with writing(database_of(workspace)) as connection:
        connection.execute(LEDGER.update().values(reason="another"))
    with pytest.raises(LedgerBroken):
        read_board(workspace)


@pytest.mark.parametrize("name", ["evaluation", "model_card", "decision"])
def test_the_pages_of_a_run_are_html_that_loads_nothing(workspace: Workspace, name) -> None:
    page = run_page(workspace, "run-2", name)
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", ["..", "../run-2", "a/b", "", "run-9"])
def test_only_names_of_runs_and_reports_are_looked_for(workspace: Workspace, name: str) -> None:
    with pytest.raises(NotFound):
        run_page(workspace, name, "decision")
    with pytest.raises(NotFound):
        drift_page(workspace, name)


def test_a_server_that_does_not_answer_is_told() -> None:
    assert "does not answer" in ask_server("http://127.0.0.1:9", {}).trouble


def test_the_facts_are_plain_json(workspace: Workspace) -> None:
    assert json.loads(read_board(workspace).model_dump_json())["why_not"]["promote"] == ""
