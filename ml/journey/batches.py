"""Batches: what became of each, and a person's decision on one that is held."""

from typing import TYPE_CHECKING, Literal

from ml.contract.errors import NotFound, Refusal
from ml.data.results import BatchDecision, ValidationReport
from ml.data.storage import reaching
from ml.journey.quarantine import quarantine_of
from ml.journey.run import database_of, one_writer
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from ml.data.batches import Batch


def batches(workspace: Workspace) -> "list[Batch]":
    """All batches, the newest first.

    Raises:
        Unavailable: a bucket does not answer.
    """
    from ml.data.batches import list_batches

    with reaching():
        return list_batches(workspace.batches, workspace.manifest)


def batch(workspace: Workspace, batch_id: str) -> "Batch":
    """One batch, by its id or its unmistakable beginning.

    Raises:
        NotFound: there is none, or several begin so.
    """
    known = [item for item in batches(workspace) if item.batch_id.startswith(batch_id)]
    if len(known) != 1:
        raise NotFound(
            f"{len(known) or 'No'} batches have an id that begins with {batch_id!r}.",
            remedy="See `vigie batches`.",
        )
    return known[0]


def accept(
    workspace: Workspace, params: Params, batch_id: str, *, reason: str, actor: str
) -> ValidationReport:
    """Take a held batch as it is: its sound images enter the manifest, the others quarantine.

    Raises:
        NotFound: there is no such batch.
        Refusal: it is not held.
    """
    from ml.journey.validate import validate

    held = batch(workspace, batch_id)
    decision = _enter(workspace, held, "accept", reason=reason, actor=actor)
    return validate(workspace, params, held.batch_id, decision=decision)


def discard(workspace: Workspace, batch_id: str, *, reason: str, actor: str) -> ValidationReport:
    """Turn a held batch away as a whole; its files do not come back by themselves.

    Raises:
        NotFound: there is no such batch.
        Refusal: it is not held.
    """
    from ml.data.batches import discard_batch

    held = batch(workspace, batch_id)
    decision = _enter(workspace, held, "discard", reason=reason, actor=actor)
    with one_writer(workspace), reaching():
        return discard_batch(
            workspace.batch(held.batch_id), workspace.manifest, quarantine_of(workspace), decision
        )


def _enter(
    workspace: Workspace,
    held: "Batch",
    action: Literal["accept", "discard"],
    *,
    reason: str,
    actor: str,
) -> BatchDecision:
    """The ledger's line about a held batch, before anything changes."""
    from ml.store import ledger

    if held.state != "held" or held.report is None:
        raise Refusal(
            f"Batch {held.batch_id} is {held.state}, not held.", remedy="See `vigie batches`."
        )
    entry = ledger.append(
        database_of(workspace),
        actor=actor,
        action=action,
        subject=f"batch/{held.batch_id}",
        reason=reason,
        evidence={
            "files": held.files,
            "rejected": held.report.rejected,
            "held_because": held.report.held_because,
        },
    )
    return BatchDecision(action=action, by=actor, reason=reason, at=entry.at)
