from pathlib import Path

import pytest

from ml.contract.records import LedgerAction
from ml.journey.run import database_of
from ml.journey.watched import version_starts
from ml.journey.workspace import Workspace
from ml.settings import PROJECT_ROOT
from ml.store.ledger import append


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


def enter(
    workspace: Workspace, action: LedgerAction, version: str, replaced: str, **evidence: object
) -> None:
    append(
        database_of(workspace),
        actor="ops",
        action=action,
        subject=f"vigie/{version}",
        reason="why",
        evidence={"bundle_sha256": f"bundle of {version}", "replaced": replaced, **evidence},
    )


def test_versions_start_when_they_are_promoted_or_put_back(workspace: Workspace) -> None:
    enter(workspace, "promote", "2", "1")
    enter(workspace, "rollback", "1", "2")
    assert [(start.by, start.version) for start in version_starts(workspace)] == [
        ("promote", "2"), ("rollback", "1"),
    ]  # fmt: skip


def test_a_promotion_that_was_withdrawn_started_nothing(workspace: Workspace) -> None:
    enter(workspace, "promote", "2", "1")
    enter(workspace, "promote", "3", "2")
    enter(workspace, "rollback", "2", "3", previous="1")
    (start,) = version_starts(workspace)
    assert (start.version, start.replaced, start.by) == ("2", "1", "promote")
