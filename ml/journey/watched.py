"""What stages 13 and 14 left behind so far: reports, decisions, and how versions came to be."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.monitoring.results import DriftResult, RetrainDecision, VersionStart, WatchReport

if TYPE_CHECKING:
    from ml.contract.records import LedgerEntry

Result = TypeVar("Result", bound=BaseModel)
_MOST_STARTS = 500
REPORT_FILE, DECISION_FILE = "report.json", "retrain.json"
log = logging.getLogger(__name__)


def watch_history(workspace: Workspace) -> list[WatchReport]:
    """All reports so far, oldest window first; those of another release's form are left out."""
    found = (read(path, WatchReport) for path in _files(workspace, REPORT_FILE))
    return sorted((r for r in found if r), key=lambda report: report.drift.window.end)


def drift_history(workspace: Workspace) -> list[DriftResult]:
    """The drift of all reports so far, oldest window first."""
    return [report.drift for report in watch_history(workspace)]


def decisions(workspace: Workspace) -> list[RetrainDecision]:
    """All retrain decisions so far, oldest first; those of another release's form are left out."""
    found = (read(path, RetrainDecision) for path in _files(workspace, DECISION_FILE))
    return sorted((d for d in found if d), key=lambda decision: decision.decided_at)


def version_starts(workspace: Workspace) -> list[VersionStart]:
    """When versions came into production lately, oldest first, as the ledger tells it; those that
    were withdrawn before they came there are left out.

    Raises:
        LedgerBroken: a line was changed after it was written.
        Unavailable: the database does not answer.
    """
    from ml.store.ledger import newest

    lines = newest(database_of(workspace), _MOST_STARTS, ("promote", "rollback"))
    starts: list[VersionStart] = []
    for line in reversed(lines):
        if "previous" not in line.evidence:
            starts.append(_start(line, line.evidence))
        elif starts and starts[-1].version == str(line.evidence.get("replaced")):
            starts.pop()  # a promotion that never reached production and was withdrawn
    return starts


def read(path: Path, form: type[Result]) -> Result | None:
    """A record; None, with a warning, where another release wrote it."""
    try:
        return form.model_validate_json(path.read_bytes())
    except ValidationError:
        log.warning("%s was written by another release and is left out.", path)
        return None


def _files(workspace: Workspace, name: str) -> list[Path]:
    return sorted(workspace.drift_reports.glob(f"*/{name}"))


def _start(line: "LedgerEntry", evidence: Mapping[str, object]) -> VersionStart:
    replaced = evidence.get("replaced")
    return VersionStart.model_validate(
        {
            "version": line.subject.rpartition("/")[2],
            "bundle": str(evidence.get("bundle_sha256", "")),
            "replaced": None if replaced is None else str(replaced),
            "at": line.at,
            "by": line.action,
            "trigger": str(evidence.get("trigger") or "manual"),
            "reason": line.reason,
        }
    )
