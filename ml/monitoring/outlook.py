"""What happens next, in sentences."""

from ml.monitoring.results import DriftResult, RetrainDecision
from ml.params import MonitoringParams

TRIGGERS = {"performance": "Performance", "drift": "Drift", "labels": "New labels"}


def next_step(drift: DriftResult, outlook: RetrainDecision | None, *, decided: bool) -> str:
    """Whether a new model is asked for, without the reasons.

    Args:
        outlook: the decision, or what it will be if nothing else comes; None if not considered.
        decided: it is the decision.
    """
    if outlook is None:
        counts = drift.state == "drifted"
        return f"This window {'counts' if counts else 'does not count'} towards a retraining."
    if outlook.retrain:
        if decided:
            return f"A new model was asked for on {outlook.decided_at:%Y-%m-%d %H:%M %Z}."
        return "A new model is due: the decision follows this report."
    if outlook.reasons:
        return "No new model is asked for yet, though there is reason to."
    return "No new model is asked for."


def why(outlook: RetrainDecision | None) -> str:
    """The reasons, and what keeps a request back; empty if not considered."""
    return f"{outlook.reason[:1].upper()}{outlook.reason[1:]}." if outlook else ""


def rule(params: MonitoringParams) -> str:
    """When a new model is asked for, and what it has to pass."""
    pause = (
        f"at most once in {params.cooldown_days} days"
        if params.cooldown_days
        else "with no cool-down between requests"
    )
    return (
        f"A new model is asked for when {params.violations} of the last {params.windows} windows "
        f"drifted, the newest among them; after {params.new_labels} new labels; or when "
        f"performance is surely under its floor; {pause}. It has to pass every gate, like any "
        "other; until then the model in production answers on."
    )
