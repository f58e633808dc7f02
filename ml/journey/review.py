"""Labels in doubt are listed, a person decides, and the next dataset follows."""

import logging
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml.contract.errors import InvalidParams
from ml.contract.records import QUEUE_KINDS, ReviewItem
from ml.journey.quarantine import chosen as quarantined
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ml.data.conflicts import Reviewed
    from ml.data.dataset import Frozen

log = logging.getLogger(__name__)


def reviewed(workspace: Workspace) -> "Reviewed":
    """What people decided so far, and what waits for them, for the next dataset."""
    from ml.data.assessment import CONTRADICTION
    from ml.data.conflicts import Reviewed
    from ml.store.review import decided_labels, read_review
    from ml.store.review_queue import read_queue

    database = database_of(workspace)
    kept = read_review(database, state="kept", kind="conflict")
    suspects = read_review(database, state="open", kind="suspect")
    contradicted: defaultdict[str, set[str]] = defaultdict(set)
    for file in quarantined(workspace, code=CONTRADICTION.code):
        if file.image_id is not None and file.label is not None:
            contradicted[file.image_id].add(file.label)
    return Reviewed(
        labels=decided_labels(database),
        settled=frozenset(
            (item.image_id, str(item.evidence["label"]), ", ".join(_others(item))) for item in kept
        ),
        contradicted={image_id: frozenset(names) for image_id, names in contradicted.items()},
        suspects=frozenset(item.image_id for item in suspects),
        queued=frozenset(item.image_id for item in read_queue(database) if item.label is not None),
    )


def list_doubts(workspace: Workspace, frozen: "Frozen") -> int:
    """Put what a dataset raised on the list: images whose labels are disputed, and those that join
    a past test to other splits. What is not found any more is moot. Returns how many."""
    from ml.store.review import list_all_of_kind, review_id

    now, dataset_id = datetime.now(UTC), frozen.info.dataset_id
    disputed = [
        ReviewItem(
            review_id=review_id("conflict", row.image_id, f"{row.label}: {row.others}"),
            image_id=row.image_id,
            kind="conflict",
            evidence={
                "label": row.label,
                "others": row.others.split(", "),
                "look_alikes": int(row.images),
                "dataset_id": dataset_id,
            },
            since=now,
        )
        for row in frozen.conflicts.itertuples()
    ]
    tying = [
        ReviewItem(
            review_id=review_id("tie", row.image_id, row.splits),
            image_id=row.image_id,
            kind="tie",
            evidence={
                "splits": row.splits.split(", "),
                "images": int(row.images),
                "dataset_id": dataset_id,
            },
            since=now,
        )
        for row in frozen.ties.itertuples()
    ]
    database = database_of(workspace)
    list_all_of_kind(database, "conflict", disputed)
    list_all_of_kind(database, "tie", tying)
    if disputed or tying:
        log.info(
            "%d images of disputed labels and %d that join a past test to other splits are for "
            "review.",
            len(disputed),
            len(tying),
        )
    return len(disputed) + len(tying)


def list_suspects(
    workspace: Workspace,
    params: Params,
    frame: "pd.DataFrame",
    labels: "np.ndarray",
    probabilities: "np.ndarray",
    *,
    source: str,
) -> int:
    """Put labels that out-of-fold answers speak against on the list; returns how many.

    Args:
        frame: the dataset's rows, in the order of the answers.
        labels: (n,), indices as given.
        probabilities: (n, classes), from models that saw neither the image nor its group.
        source: the run that the answers are of.
    """
    from ml.store.review import list_for_review, review_id
    from ml.training.label_suspects import label_suspects

    names, now = params.data.labels, datetime.now(UTC)
    found = label_suspects(labels, probabilities)
    items = []
    for row in found.itertuples():
        image_id, given = str(frame["image_id"].iloc[row.row]), names[row.given]
        items.append(
            ReviewItem(
                review_id=review_id("suspect", image_id, given),
                image_id=image_id,
                kind="suspect",
                evidence={
                    "label": given,
                    "suggested": names[row.suggested],
                    "quality": round(float(row.quality), 4),
                    "run_key": source,
                },
                since=now,
            )
        )
    list_for_review(database_of(workspace), items)
    log.info("%d labels are doubted by answers that never saw the image.", len(items))
    return len(items)


def decide(
    workspace: Workspace,
    params: Params,
    identity: str,
    *,
    label: str | None,
    reason: str,
    actor: str,
    revise: bool = False,
) -> ReviewItem:
    """Settle one item: another label, or the one it has.

    Args:
        label: of the vocabulary; None keeps the label.
        revise: put it in the place of an earlier decision; the ledger keeps both.

    Raises:
        InvalidParams: there is no such label, or the item is not about one, or it is an image of
            the queue that nobody has labelled.
        NotFound: nothing is listed under this id.
        AlreadyDecided: somebody was first.
    """
    from ml.store import ledger
    from ml.store.review import decide as settle
    from ml.store.review import read_item

    if label is not None and label not in params.data.labels:
        raise InvalidParams(
            f"There is no label {label!r}.", remedy=f"Use one of {', '.join(params.data.labels)}."
        )
    database = database_of(workspace)
    before = read_item(database, identity)
    if before.kind in QUEUE_KINDS and (label is None or before.label is None):
        raise InvalidParams(
            f"{identity} is an image of the queue: its label is given on the review page.",
            remedy="Open /review on the server; here a label that was given can be revised.",
        )
    if label is not None and before.kind == "tie":
        raise InvalidParams(
            f"{identity} joins a past test to other splits; its label is not in doubt.",
            remedy="Use --keep once somebody has looked at it.",
        )
    item = settle(database, identity, label=label, by=actor, reason=reason, revise=revise)
    ledger.append(
        database,
        actor=actor,
        action="review",
        subject=f"image/{item.image_id}",
        reason=reason,
        evidence={"review_id": item.review_id, "kind": item.kind, "label": label or "kept"},
    )
    return item


def _others(item: ReviewItem) -> list[str]:
    others = item.evidence["others"]
    return [str(label) for label in others] if isinstance(others, list) else []
