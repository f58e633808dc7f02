"""What the gates decided holds for the bundle that they judged, and for no other."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from ml.contract.bundle import bundle_sha256, open_bundle, seal_bundle
from ml.contract.errors import Refusal
from ml.journey.board import read_board
from ml.journey.gate import gate, read_blessing, read_decision
from ml.journey.promote import aliases, promote, register
from ml.journey.run import Run, database_of, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.registry.models import MODEL_NAME
from ml.settings import PROJECT_ROOT
from ml.store import ledger
from tests.fakes.judged_runs import DATASET, judged_run

KEY = "run-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one run whose gates passed it, registered as version 1."""
    home = tmp_path_factory.mktemp("home")
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    judged_run(workspace, KEY)
    rows = pd.DataFrame({"image_id": ["a", "b"], "split": ["test", "train"]})
    rows.to_parquet(workspace.datasets / DATASET / "rows.parquet")
    return home


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    """A copy of it; what the registry names by path stays where it was."""
    shutil.copytree(made, tmp_path / "home")
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


def export_again(workspace: Workspace) -> None:
    """As `vigie export`: the same graph, sealed at another time."""
    bundle = Run.open(workspace, KEY).bundle
    seal_bundle(
        bundle,
        open_bundle(bundle).model_copy(update={"created_at": datetime(2026, 6, 1, tzinfo=UTC)}),
    )


def rewrite(path: Path, **changes: object) -> None:
    write_json(path, json.loads(path.read_text()) | changes)


def without_identity(workspace: Workspace) -> Run:
    """The run, its decision as releases wrote it that did not note the bundle."""
    run = Run.open(workspace, KEY)
    rewrite(run.decision, bundle_sha256=None)
    return run


def registered(workspace: Workspace) -> int:
    return len(tracker_of(workspace).client.search_model_versions(f"name = '{MODEL_NAME}'"))


def test_the_bundle_that_was_judged_is_promoted(workspace: Workspace) -> None:
    assert promote(workspace, KEY, actor="ops").version == "1"


def test_a_bundle_that_was_made_anew_is_neither_promoted_nor_registered(
    workspace: Workspace,
) -> None:
    export_again(workspace)
    lines = len(ledger.read(database_of(workspace)))
    for stage in (promote, register):
        with pytest.raises(Refusal, match="did not decide on the bundle") as refusal:
            stage(workspace, KEY, **({"actor": "ops"} if stage is promote else {}))
        assert "Evaluate, bless and gate this bundle" in refusal.value.remedy
    assert registered(workspace) == 1
    assert "production" not in aliases(workspace)
    assert len(ledger.read(database_of(workspace))) == lines


def test_a_bundle_that_was_made_anew_goes_on_once_it_was_judged_itself(
    workspace: Workspace,
) -> None:
    export_again(workspace)
    run = Run.open(workspace, KEY)
    rewrite(run.decision, bundle_sha256=bundle_sha256(run.bundle))
    promotion = promote(workspace, KEY, actor="ops")
    assert (promotion.version, promotion.bundle_sha256) == ("2", bundle_sha256(run.bundle))


def test_what_an_evaluation_of_another_bundle_led_to_is_a_refusal_of_this_one(
    workspace: Workspace,
) -> None:
    export_again(workspace)
    decision = gate(workspace, KEY)
    assert not decision.promote
    assert read_decision(Run.open(workspace, KEY)) == decision
    with pytest.raises(Refusal, match="The model was refused"):
        promote(workspace, KEY, actor="ops")
    assert register(workspace, KEY).version == "2"


def test_the_gates_note_which_bundle_they_judged(workspace: Workspace) -> None:
    run = Run.open(workspace, KEY)
    assert gate(workspace, KEY).bundle_sha256 == bundle_sha256(run.bundle)
    assert json.loads(run.decision.read_text())["bundle_sha256"] == bundle_sha256(run.bundle)


def test_a_decision_that_names_no_bundle_counts_where_the_evidence_it_read_names_it(
    workspace: Workspace,
) -> None:
    without_identity(workspace)
    assert promote(workspace, KEY, actor="ops").version == "1"


def test_a_decision_that_names_no_bundle_is_none_about_what_was_made_anew(
    workspace: Workspace,
) -> None:
    without_identity(workspace)
    export_again(workspace)
    with pytest.raises(Refusal, match="did not decide on the bundle"):
        promote(workspace, KEY, actor="ops")


def test_a_decision_that_names_no_bundle_is_none_about_what_was_evaluated_after_it(
    workspace: Workspace,
) -> None:
    run = without_identity(workspace)
    export_again(workspace)
    rewrite(run.evidence, bundle_sha256=bundle_sha256(run.bundle))
    decided = run.decision.stat().st_mtime_ns
    os.utime(run.evidence, ns=(decided + 1_000_000, decided + 1_000_000))
    with pytest.raises(Refusal, match="did not decide on the bundle"):
        promote(workspace, KEY, actor="ops")


def test_without_evidence_a_decision_that_names_no_bundle_is_none(workspace: Workspace) -> None:
    without_identity(workspace).evidence.unlink()
    with pytest.raises(Refusal, match="did not decide on the bundle"):
        promote(workspace, KEY, actor="ops")


def test_the_board_offers_no_promotion_that_would_be_refused(workspace: Workspace) -> None:
    rewrite(Run.open(workspace, KEY).decision, bundle_sha256="0" * 64)
    why_not = read_board(workspace).why_not
    assert why_not["promote"] == "The gates have not decided on it."


def test_what_a_server_did_with_another_bundle_is_no_blessing(workspace: Workspace) -> None:
    run = Run.open(workspace, KEY)
    blessing = read_blessing(run)
    assert blessing is not None
    assert blessing.passed
    export_again(workspace)
    assert read_blessing(run) is None
    rewrite(run.evidence, bundle_sha256=bundle_sha256(run.bundle))
    again = {result.name: result.verdict for result in gate(workspace, KEY).results}
    assert again["blessing"] != "pass"
    assert again["accuracy"] == "pass"


def test_a_record_that_names_no_bundle_is_no_blessing(workspace: Workspace) -> None:
    run = Run.open(workspace, KEY)
    rewrite(run.blessing, bundle_sha256=None)
    assert read_blessing(run) is None
