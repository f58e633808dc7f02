"""Stage 14, retrain: whether the drift seen so far asks for a new model, and why."""

import logging
from datetime import UTC, datetime

from ml.journey.drift import drift_history
from ml.journey.run import write_json
from ml.journey.workspace import Workspace
from ml.monitoring.results import RetrainDecision
from ml.params import Params

log = logging.getLogger(__name__)
_DECISION = "retrain.json"


def decide(workspace: Workspace, params: Params, *, now: datetime | None = None) -> RetrainDecision:
    """Decide from the drift history; the decision is kept beside the newest report.

    Asking again about the same report gives the same answer, so a repeated task does not start
    its own cool-down.
    """
    from ml.monitoring.retrain import decide_retraining

    history = drift_history(workspace)
    newest = workspace.drift_reports / history[-1].report_id / _DECISION if history else None
    if newest is not None and newest.is_file():
        return RetrainDecision.model_validate_json(newest.read_bytes())
    decision = decide_retraining(
        history,
        last_retrain_at=_last_retrain(workspace),
        now=now or datetime.now(UTC),
        params=params.monitoring,
    )
    if newest is not None:
        write_json(newest, decision.model_dump(mode="json"))
    log.info("Retrain: %s (%s).", "yes" if decision.retrain else "no", decision.reason)
    return decision


def _last_retrain(workspace: Workspace) -> datetime | None:
    decisions = (
        RetrainDecision.model_validate_json(path.read_bytes())
        for path in workspace.drift_reports.glob(f"*/{_DECISION}")
    )
    return max((item.decided_at for item in decisions if item.retrain), default=None)
