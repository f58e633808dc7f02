"""Which model read an image, on which day, trained on what, approved by whom."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ml.contract.errors import InvalidParams, NotFound
from ml.journey.archive import find_archived
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from ml.contract.records import LedgerEntry, PredictionRecord


class Trace(BaseModel):
    """One answer and all that stood behind it. `acts` are ledger lines about its version: when,
    who, what, why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str
    at: AwareDatetime
    image_id: str
    label: str
    decision: str
    role: str
    version: str
    bundle: str
    dataset_id: str | None
    git_commit: str | None
    run_key: str | None
    acts: list[str]


def trace(
    workspace: Workspace,
    params: Params,
    *,
    file: Path | None = None,
    request_id: str | None = None,
    day: date | None = None,
) -> list[Trace]:
    """The answers about an image file, or under a request id; of one day if one is given.

    Answers that are archived are found as well, in files that are what the ledger says of them.

    The ledger's lines about each version are checked before they are told.

    Raises:
        ArchiveDamaged: a file of the archive was altered, is gone, or is unknown to the ledger.
        InvalidParams: neither a file nor a request id was given.
        NotFound: there is no such answer.
        InputError: the file is not an image.
        LedgerBroken: a line about the version was changed.
    """
    from ml.store.predictions import find_predictions

    if file is None and request_id is None:
        raise InvalidParams("Nothing to look for.", remedy="Name an image file or a request id.")
    database = database_of(workspace)
    since = datetime.combine(day, time(), UTC) if day else None
    image_id = _image_id(file, params) if file else None
    kept = find_predictions(
        database,
        image_id=image_id,
        request_id=request_id,
        since=since,
        until=since + timedelta(days=1) if since else None,
    )
    # Looked for last, so that an answer which is on its way into the archive is seen. A request has
    # one answer; of an image there may be more.
    archived = (
        []
        if request_id is not None and kept
        else find_archived(workspace, image_id=image_id, request_id=request_id, day=day)
    )
    found = list({record.request_id: record for record in [*archived, *kept]}.values())
    if not found:
        when = f" on {day}" if day else ""
        raise NotFound(
            f"No answer was given about it{when}.",
            remedy="Answers are found by the very pixels that were sent, and by their request id.",
        )
    return [_trace(workspace, record) for record in found]


def _image_id(file: Path, params: Params) -> str:
    from ml.contract.decoding import decode, image_id

    return image_id(decode(file.read_bytes(), params.data.limits).pixels)


def _trace(workspace: Workspace, record: "PredictionRecord") -> Trace:
    from ml.store.ledger import about

    database = database_of(workspace)
    lines = about(database, f"{record.model.name}/{record.model.version}")
    register = next((line for line in lines if line.action == "register"), None)
    told = register.evidence if register else {}
    run_key = _text(told.get("run_key"))
    lines = sorted(
        [*lines, *(about(database, run_key) if run_key else [])], key=lambda line: line.sequence
    )
    return Trace(
        request_id=record.request_id,
        at=record.at,
        image_id=record.image_id,
        label=record.label,
        decision=record.action,
        role=record.role,
        version=record.model.version,
        bundle=record.model.bundle,
        dataset_id=_text(told.get("dataset_id")),
        git_commit=_text(told.get("git_commit")),
        run_key=run_key,
        acts=_told(lines),
    )


def _told(lines: "Sequence[LedgerEntry]") -> list[str]:
    return [
        f"{line.at:%Y-%m-%d %H:%M} {line.actor}: {line.action} ({line.reason})" for line in lines
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
