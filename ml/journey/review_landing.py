"""What persons said of answered images lands as a delivery, and takes the way of any other.

So de-identification, expectations and the audit of leaks apply to it, and its lineage is that of
every image: file, batch, manifest, dataset. Which label came from a person the dataset knows from
the review list.
"""

import csv
import io
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from ml.contract.errors import Refusal
from ml.contract.records import ReviewItem
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from ml.data.storage import Place

log = logging.getLogger(__name__)

FOLDER = "review"
_COLUMNS = ("path", "label", "site", "scanner")


class LandedResult(BaseModel):
    """How many labelled images landed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int


class ZoneSpeaksForItself(Refusal):
    """The landing zone has a list of its own, which leaves every other file out."""

    code = "zone-speaks-for-itself"


def land(workspace: Workspace, params: Params, *, now: datetime | None = None) -> LandedResult:
    """Write images whose label can be undone no more to `landing/review/`, list them in its
    `images.csv`, and delete their pixels from the database.

    Each step may be repeated: what was interrupted is finished by the next call.

    Raises:
        ZoneSpeaksForItself: the landing zone has an `images.csv`; nothing landed.
        Unavailable: database or bucket does not answer.
    """
    from ml.data.landing import CSV_FILE
    from ml.data.storage import PRIVATE_FILE, reaching, write_bytes
    from ml.store import ledger
    from ml.store.review_images import forget_images, read_kept, read_pixels
    from ml.store.review_queue import read_queue

    database = database_of(workspace)
    final = (now or datetime.now(UTC)) - timedelta(minutes=params.review.undo_minutes)
    kept = {image.image_id for image in read_kept(database)}
    items = [
        item
        for item in read_queue(database)
        if item.image_id in kept
        and item.label is not None
        and item.decided_at is not None
        and item.decided_at <= final
    ]
    if not items:
        return LandedResult(images=0)
    zone: Place = workspace.landing
    with reaching():
        if (zone / CSV_FILE).is_file() or zone.is_file():
            raise ZoneSpeaksForItself(
                f"{len(items)} labelled images cannot land: {CSV_FILE} speaks for the whole zone.",
                remedy="Move the list and its files into a folder of the landing zone.",
            )
        for item in items:
            png = read_pixels(database, item.image_id)
            if png is not None:
                write_bytes(_file(zone, item), png, mode=PRIVATE_FILE)
        write_bytes(
            zone / FOLDER / CSV_FILE, _with_rows(zone / FOLDER / CSV_FILE, items), mode=PRIVATE_FILE
        )
    for item in items:
        ledger.append(
            database,
            actor=str(item.decided_by),
            action="review",
            subject=f"image/{item.image_id}",
            reason=item.reason or f"labelled on the review page ({item.kind})",
            evidence={
                "review_id": item.review_id,
                "kind": item.kind,
                "label": item.label,
                "request_id": item.evidence["request_id"],
                "blinded": item.is_blinded,
            },
        )
        forget_images(database, [item.image_id])
    log.info("%d labelled images landed.", len(items))
    return LandedResult(images=len(items))


def _file(zone: "Place", item: ReviewItem) -> "Place":
    return zone / FOLDER / f"{item.image_id}.png"


def _with_rows(listed: "Place", items: list[ReviewItem]) -> bytes:
    rows: dict[str, dict[str, object]] = {}
    if listed.is_file():
        reader = csv.DictReader(io.StringIO(listed.read_bytes().decode()))
        rows = {row["path"]: {name: row[name] for name in _COLUMNS} for row in reader}
    for item in items:
        path = f"{item.image_id}.png"
        # A row that changed would be a new delivery: what is listed stays.
        rows.setdefault(
            path,
            {
                "path": path,
                "label": item.label,
                "site": item.evidence.get("site") or "",
                "scanner": item.evidence.get("scanner") or "",
            },
        )
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    return text.getvalue().encode()
