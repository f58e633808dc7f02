"""Quarantine: persons list, look at, release and discard refused files; the ledger knows.

What is decided on one file or on many is one line for each 500 of them, written before anything
changes.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.errors import InvalidParams, Refusal
from ml.contract.records import LedgerAction, LedgerEntry, ReviewItem
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from ml.data.quarantine import Quarantine
    from ml.data.quarantine_record import QuarantinedImage, State

_FILES_A_LINE = 500
_NEEDS_LABEL = {"unknown-label", "no-label"}
_TOLD = 10


def quarantine_of(workspace: Workspace) -> "Quarantine":
    """The workspace's quarantine; only the holder of the key can open what is sealed in it."""
    from ml.data.quarantine import Quarantine
    from ml.data.sealed import Seal

    return Quarantine(workspace.quarantine, Seal(workspace.pseudonym_key()))


def chosen(
    workspace: Workspace,
    identities: Sequence[str] = (),
    *,
    code: str | None = None,
    batch: str | None = None,
    state: "State | None" = "waiting",
) -> "list[QuarantinedImage]":
    """Quarantined files by id, or all in a state, with a fault of this code, of this batch.

    Raises:
        NotFound: there is no file of an id.
        InputError: an id is ambiguous.
    """
    quarantine = quarantine_of(workspace)
    if identities:
        files = [quarantine.find(identity) for identity in identities]
    else:
        files = quarantine.list(*([state] if state else ()))
    return [
        item
        for item in files
        if (code is None or code in {fault.code for fault in item.faults})
        and (batch is None or item.batch_id == batch)
    ]


def release(
    workspace: Workspace,
    params: Params,
    files: "Sequence[QuarantinedImage]",
    *,
    reason: str,
    actor: str,
    label: str | None = None,
) -> "list[QuarantinedImage]":
    """Let files come to the next ingest, past the expectations that they fail.

    Where another label is known for the same image, this one takes its place from the next dataset
    on, and nothing needs to come in again.

    Args:
        label: in the place of the delivered one.

    Raises:
        InvalidParams: there is no such label.
        Refusal: one of the files cannot be released; none was.
    """
    if label is not None and label not in params.data.labels:
        raise InvalidParams(
            f"There is no label {label!r}.", remedy=f"Use one of {', '.join(params.data.labels)}."
        )
    _require(files, "released", lambda item: _why_not_released(item, label))
    quarantine = quarantine_of(workspace)
    done = []
    for part, entry in _entered(workspace, "release", files, reason, actor, label=label):
        for item in part:
            if _contradicts(item):
                _decide_label(workspace, item, label or item.label, entry)
                done.append(
                    quarantine.close(item, "accepted", by=actor, reason=reason, at=entry.at)
                )
            else:
                done.append(
                    quarantine.release(
                        item,
                        mark=str(entry.sequence),
                        by=actor,
                        reason=reason,
                        label=label,
                        at=entry.at,
                    )
                )
    return done


def discard(
    workspace: Workspace, files: "Sequence[QuarantinedImage]", *, reason: str, actor: str
) -> "list[QuarantinedImage]":
    """Destroy files' content; their records stay.

    Where another label is known for the same image, that one stands.

    Raises:
        Refusal: one of the files was decided on before; none was discarded.
    """
    _require(files, "discarded", _why_not_discarded)
    quarantine = quarantine_of(workspace)
    done = []
    for part, entry in _entered(workspace, "discard", files, reason, actor):
        for item in part:
            if _contradicts(item):
                _decide_label(workspace, item, None, entry)
            done.append(quarantine.close(item, "discarded", by=actor, reason=reason, at=entry.at))
    return done


def export(workspace: Workspace, item: "QuarantinedImage", target: Path, *, actor: str) -> Path:
    """Write a file as it was delivered, for its owner's eyes; it may name its patient.

    Raises:
        NotFound: nothing of it is kept.
        SealBroken: another key sealed it.
    """
    from ml.data.storage import PRIVATE_FILE, write_bytes
    from ml.store import ledger

    content = quarantine_of(workspace).content(item.quarantine_id)
    ledger.append(
        database_of(workspace),
        actor=actor,
        action="export",
        subject=f"quarantine/{item.quarantine_id[:12]}",
        reason="looked at",
        evidence={"quarantine_id": item.quarantine_id, "content": item.content},
    )
    write_bytes(target, content, mode=PRIVATE_FILE)
    return target


def expire(workspace: Workspace, params: Params, *, now: datetime | None = None) -> int:
    """Destroy the content of files that nobody decided on in time; returns how many."""
    now, days = now or datetime.now(UTC), params.data.quality.quarantine_days
    quarantine = quarantine_of(workspace)
    late = [
        item for item in quarantine.list("waiting") if item.last_seen < now - timedelta(days=days)
    ]
    reason = f"not decided on within {days} days"
    for part, entry in _entered(workspace, "discard", late, reason, "pipeline"):
        for item in part:
            quarantine.close(item, "expired", by="pipeline", reason=reason, at=entry.at)
    return len(late)


def _entered(
    workspace: Workspace,
    action: LedgerAction,
    files: "Sequence[QuarantinedImage]",
    reason: str,
    actor: str,
    **evidence: object,
) -> "Iterator[tuple[Sequence[QuarantinedImage], LedgerEntry]]":
    """Files in parts, each with the ledger line that speaks of them."""
    from ml.store import ledger

    for start in range(0, len(files), _FILES_A_LINE):
        part = files[start : start + _FILES_A_LINE]
        only = part[0].quarantine_id[:12] if len(part) == 1 else f"{len(part)} files"
        entry = ledger.append(
            database_of(workspace),
            actor=actor,
            action=action,
            subject=f"quarantine/{only}",
            reason=reason,
            evidence={
                "files": {
                    item.quarantine_id: [fault.code for fault in item.faults] for item in part
                },
                **evidence,
            },
        )
        yield part, entry


def _require(
    files: "Sequence[QuarantinedImage]",
    what: str,
    objection: "Callable[[QuarantinedImage], str]",
) -> None:
    reasons = [f"{item.quarantine_id[:12]} {why}" for item in files if (why := objection(item))]
    if reasons:
        more = [f"and {len(reasons) - _TOLD} more"] if len(reasons) > _TOLD else []
        raise Refusal(
            f"Nothing was {what}.",
            reasons=[*reasons[:_TOLD], *more],
            remedy="Leave these out, or see each with `vigie quarantine show ID`.",
        )


def _why_not_released(item: "QuarantinedImage", label: str | None) -> str:
    if objection := _why_not_discarded(item):
        return objection
    if item.content == "none" and not _contradicts(item):
        return "holds nothing that could come in again: deliver the file once more"
    if _NEEDS_LABEL & {fault.code for fault in item.faults} and label is None:
        return "needs a label of the vocabulary: give --label"
    return ""


def _why_not_discarded(item: "QuarantinedImage") -> str:
    if item.state == "waiting":
        return ""
    return f"is {item.state} already, since {item.history[-1].at:%Y-%m-%d} by {item.history[-1].by}"


def _contradicts(item: "QuarantinedImage") -> bool:
    return item.code == "contradicted-label"


def _decide_label(
    workspace: Workspace, item: "QuarantinedImage", label: str | None, entry: LedgerEntry
) -> None:
    """Enter in the review list which label counts: this one, or with None the one it had."""
    from ml.data.manifest import stored_images
    from ml.store.review import decide, list_for_review, review_id

    image_id, database = str(item.image_id), database_of(workspace)
    known = stored_images(workspace.manifest, [image_id], except_batch="").get(image_id)
    dispute = ReviewItem(
        review_id=review_id("conflict", image_id, f"{item.quarantine_id} {entry.sequence}"),
        image_id=image_id,
        kind="conflict",
        evidence={
            "label": known and known.label,
            "others": [item.label],
            "quarantine_id": item.quarantine_id,
        },
        since=item.first_seen,
    )
    list_for_review(database, [dispute])
    decide(database, dispute.review_id, label=label, by=entry.actor, reason=entry.reason)
