"""Images that production answered are put on the list of those that a person labels."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from ml.contract.records import PredictionRecord, QueueKind, ReviewItem
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ml.monitoring.review_choice import Chosen
    from ml.store.review_images import KeptImage

log = logging.getLogger(__name__)


class QueueResult(BaseModel):
    """What one look changed: images `queued` by reason, `withdrawn` for others that deserve it
    more, `with_text` in their pixels and so forgotten, `expired` before anybody looked at them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queued: dict[str, int]
    withdrawn: int
    with_text: int
    expired: int


def queue(workspace: Workspace, params: Params, *, now: datetime | None = None) -> QueueResult:
    """Choose among the images that servers keep; looking again changes nothing.

    An image that nobody was shown yet gives way to one of its day that deserves it more.

    Raises:
        Unavailable: the database or the registry does not answer; the list is as it was.
    """
    from ml.journey.review_drift import drift_exemplars
    from ml.store.review_images import forget_expired
    from ml.store.review_queue import read_queue, replace_unseen

    database, at = database_of(workspace), now or datetime.now(UTC)
    expired = forget_expired(database, at)
    listed = read_queue(database)
    unseen = {item.image_id: item for item in listed if _may_give_way(item)}
    settled = {item.image_id for item in listed} - unseen.keys()
    kept = [pair for pair in answered_images(database) if pair[0].image_id not in settled]
    reported = {str(item.evidence.get("report_id")) for item in listed}
    exemplars, text_in_exemplars = _without_text(
        database, params, drift_exemplars(workspace, params, kept, reported)
    )
    moved = {choice.image_id for choice, _ in exemplars}
    free = [pair for pair in kept if pair[0].image_id not in moved]
    chosen, text_in_chosen = _choose(database, params, free, _taken(listed, unseen))
    pairs = {image.image_id: (image, record) for image, record in kept}
    wanted = [*exemplars, *((choice, {}) for choice in chosen)]
    added = [
        _item(choice, *pairs[choice.image_id], at, told)
        for choice, told in wanted
        if choice.image_id not in unseen or unseen[choice.image_id].kind != choice.kind
    ]
    kinds = {choice.image_id: choice.kind for choice, _ in wanted}
    withdrawn = [
        item.review_id for item in unseen.values() if kinds.get(item.image_id) != item.kind
    ]
    replace_unseen(database, withdrawn=withdrawn, added=added)
    result = QueueResult(
        queued=dict(Counter(str(item.kind) for item in added)),
        withdrawn=len(withdrawn),
        with_text=text_in_exemplars + text_in_chosen,
        expired=expired,
    )
    log.info("Queued for review: %s.", result.queued or "nothing new")
    return result


def answered_images(database: "Engine") -> "list[tuple[KeptImage, PredictionRecord]]":
    """The images that are kept, with their answers, as far as those are in the database."""
    from ml.store.predictions import predictions_by_request
    from ml.store.review_images import read_kept

    kept = read_kept(database)
    records = predictions_by_request(database, [image.request_id for image in kept])
    return [(image, records[image.request_id]) for image in kept if image.request_id in records]


def _choose(
    database: "Engine",
    params: Params,
    free: "list[tuple[KeptImage, PredictionRecord]]",
    taken: Counter[tuple[date, QueueKind]],
) -> "tuple[list[Chosen], int]":
    """What to ask about, and how many images were forgotten for the text in them."""
    from ml.monitoring.review_choice import choose_for_review

    with_text: set[str] = set()
    while True:
        left = [pair for pair in free if pair[0].image_id not in with_text]
        chosen = choose_for_review(left, taken, params.review)
        found = _forget_text(database, params, [choice.image_id for choice in chosen])
        if not found:
            return chosen, len(with_text)
        with_text |= found


def _without_text(
    database: "Engine", params: Params, chosen: "list[tuple[Chosen, dict[str, object]]]"
) -> "tuple[list[tuple[Chosen, dict[str, object]]], int]":
    found = _forget_text(database, params, [choice.image_id for choice, _ in chosen])
    return [pair for pair in chosen if pair[0].image_id not in found], len(found)


def _forget_text(database: "Engine", params: Params, image_ids: Iterable[str]) -> set[str]:
    """Look for text in images that were not looked at before; forget those that have some."""
    from ml.contract.decoding import decode
    from ml.data.text_lines import count_text_lines
    from ml.store.review_images import forget_images, mark_checked, read_kept, read_pixels

    if params.review.text_seen == "warn":
        return set()
    checked = {image.image_id for image in read_kept(database) if image.checked}
    found: set[str] = set()
    clean: set[str] = set()
    for image_id in image_ids:
        png = None if image_id in checked else read_pixels(database, image_id)
        if png is not None:
            has_text = count_text_lines(decode(png, params.data.limits).pixels) > 0
            (found if has_text else clean).add(image_id)
    mark_checked(database, clean)
    forget_images(database, found)
    return found


def _may_give_way(item: ReviewItem) -> bool:
    return (
        item.state == "open" and item.held_by is None and not item.skipped and item.kind != "drift"
    )


def _taken(
    listed: list[ReviewItem], unseen: dict[str, ReviewItem]
) -> Counter[tuple[date, QueueKind]]:
    return Counter(
        (date.fromisoformat(str(item.evidence["day"])), item.kind)  # type: ignore[misc]
        for item in listed
        if item.image_id not in unseen
    )


def _item(
    choice: "Chosen",
    image: "KeptImage",
    record: PredictionRecord,
    at: datetime,
    told: dict[str, object],
) -> ReviewItem:
    from ml.store.review_queue import queue_id

    return ReviewItem(
        review_id=queue_id(image.image_id),
        image_id=image.image_id,
        kind=choice.kind,
        evidence={
            "request_id": record.request_id,
            "day": image.at.date().isoformat(),
            "weight": round(choice.priority, 4),
            "answer": record.label,
            "action": record.action,
            "reasons": record.reasons,
            "probabilities": record.probabilities,
            "model_version": record.model.version,
            "site": record.site,
            "scanner": record.scanner,
            **told,
        },
        since=at,
    )
