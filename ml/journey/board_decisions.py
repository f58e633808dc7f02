"""What a person decides on the model board, by the stages that the command and the DAGs use."""

from ml.contract.errors import PromotionConflict
from ml.journey.approval import Approval, approval_asked, read_approval, record_approval
from ml.journey.board import run_of
from ml.journey.gate import read_decision
from ml.journey.promote import aliases, promote
from ml.journey.workspace import Workspace
from ml.registry.results import Promotion, RegisteredVersion


def approve_and_promote(
    workspace: Workspace, number: str, *, production: str | None, actor: str, reason: str
) -> Promotion:
    """Promote the challenger; where a person must approve it, or refused it, that comes first.

    Args:
        number: the challenger as the person saw it.
        production: the version in production as they saw it.

    Raises:
        NotFound: its run is not here.
        PromotionConflict: the challenger or production is another version by now.
        Refusal: the gates refuse it, or a second person must approve it.
    """
    version = _as_seen(workspace, number, production)
    run = run_of(workspace, version)
    decision, answer = read_decision(run), read_approval(run)
    settled = answer.approved if answer else not approval_asked(run)
    if decision and decision.promote and not settled:
        record_approval(workspace, version.run_key, version, approved=True, by=actor, reason=reason)
    return promote(workspace, version.run_key, actor=actor, reason=reason)


def refuse(
    workspace: Workspace, number: str, *, production: str | None, actor: str, reason: str
) -> Approval:
    """Refuse the challenger: it is not promoted until a person approves it.

    Args:
        number: the challenger as the person saw it.
        production: the version in production as they saw it.

    Raises:
        AlreadyDecided: it is in production already.
        NotFound: its run is not here.
        PromotionConflict: the challenger or production is another version by now.
    """
    version = _as_seen(workspace, number, production)
    run_of(workspace, version)
    return record_approval(
        workspace, version.run_key, version, approved=False, by=actor, reason=reason
    )


def _as_seen(workspace: Workspace, number: str, production: str | None) -> RegisteredVersion:
    named = aliases(workspace)
    for alias, seen in (("production", production), ("challenger", number)):
        now = named[alias].version if alias in named else None
        if now != seen:
            raise PromotionConflict(
                f"The {alias} is version {now or 'none'} by now, not {seen or 'none'}.",
                reasons=["somebody decided meanwhile"],
                remedy="Look at the board as it is now, and decide again.",
            )
    return named["challenger"]
