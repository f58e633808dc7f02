"""Whether the server can answer, and if not, why."""

from serving.state import ServerState


def reasons_not_ready(state: ServerState) -> list[str]:
    """Sentences; empty when images can be answered and logged. May touch the disk."""
    reasons = []
    if state.slot.current is None:
        reasons.append("No model is loaded.")
    if not state.log.is_writable():
        reasons.append("The prediction log cannot be written.")
    return reasons
