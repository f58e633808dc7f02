"""Stage 14, retrain: whether what was seen so far asks for a new model, and why."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ml.journey.run import database_of, tracker_of, write_json
from ml.journey.trend import write_trend
from ml.journey.watched import DECISION_FILE, decisions, read, watch_history
from ml.journey.workspace import Workspace
from ml.monitoring.results import RetrainDecision, WatchReport
from ml.params import Params

EXPERIMENT, ARTIFACTS = "vigie-monitor", "report"
log = logging.getLogger(__name__)


def decide(workspace: Workspace, params: Params, *, now: datetime | None = None) -> RetrainDecision:
    """Decide from the reports so far and the labels given since the last request.

    The decision is kept beside the newest report, whose summary then tells it. Asking again about
    the same report gives the same answer, so a repeated task does not start its own cool-down.

    Raises:
        Unavailable: the database or MLflow does not answer; nothing was decided.
    """
    history = watch_history(workspace)
    folder = workspace.drift_reports / history[-1].drift.report_id if history else None
    path = folder and folder / DECISION_FILE
    if path is not None and path.is_file() and (made := read(path, RetrainDecision)):
        return made
    decision = consider(workspace, params, history, now=now or datetime.now(UTC))
    if folder is not None and path is not None:
        _tell(workspace, params, history, decision, folder)
        write_json(path, decision.model_dump(mode="json"))
        write_trend(workspace, params, history)
    log.info("Retrain: %s (%s).", "yes" if decision.retrain else "no", decision.reason)
    return decision


def consider(
    workspace: Workspace, params: Params, history: Sequence[WatchReport], *, now: datetime
) -> RetrainDecision:
    """What the decision would be, with nothing written down.

    Args:
        history: reports, oldest first.
    """
    from ml.monitoring.retrain import decide_retraining
    from ml.store.feedback import count_labelled

    asked = [item.decided_at for item in decisions(workspace) if item.retrain]
    last = asked[-1] if asked else None
    since = last or (history[-1].drift.reference.created_at if history else None)
    return decide_retraining(
        history,
        new_labels=(
            count_labelled(database_of(workspace), params.data.labels, since=since) if since else 0
        ),
        last_retrain_at=last,
        now=now,
        params=params.monitoring,
    )


def _tell(
    workspace: Workspace,
    params: Params,
    history: Sequence[WatchReport],
    decision: RetrainDecision,
    folder: Path,
) -> None:
    """Put the decision into the newest report's summary, here and in MLflow."""
    from ml.monitoring.report import write_summary

    files = write_summary(
        history[-1],
        folder,
        params=params.monitoring,
        outlook=decision,
        earlier=history[:-1],
        decided=True,
    )
    tracker = tracker_of(workspace)
    run_id = tracker.open_run(EXPERIMENT, folder.name, name=folder.name)
    tracker.log_files(run_id, files, ARTIFACTS)
    tracker.finish(run_id)
