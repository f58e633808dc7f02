"""Answers that are old go from the database into files, and are found there again."""

import hashlib
import logging
import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from typing import IO, TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from ml.contract.errors import VigieError
from ml.data.storage import found, reaching, replacing
from ml.journey.run import database_of, one_writer
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ml.contract.records import PredictionRecord
    from ml.data.storage import Place

log = logging.getLogger(__name__)
_SUFFIX = ".parquet"
_BLOCK_BYTES = 2**20


class ArchiveDamaged(VigieError):
    """A file of the archive does not hold what was written into it."""

    code = "archive-damaged"


class Archived(BaseModel):
    """What one look has moved: days in order, rows of all of them; `before` is the first day that
    stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: date
    days: list[date]
    rows: int


def archive(workspace: Workspace, params: Params, *, now: datetime | None = None) -> Archived:
    """Move answers older than `monitoring.keep_days` whole days into the archive.

    A day is written to a file named by its content, read back and compared, entered in the ledger,
    and only then deleted, if the database still holds these rows and no others. Wherever it is
    broken off, the next run ends it; nothing is lost, and no row stays twice.

    Raises:
        Unavailable: the database or a bucket does not answer, or answers of such an old day came in
            meanwhile; days before it are archived.
        DiskFull: there is no room for a day.
    """
    from ml.store.prediction_archive import oldest_day

    database = database_of(workspace)
    before = ((now or datetime.now(UTC)) - timedelta(days=params.monitoring.keep_days)).date()
    days, rows = [], 0
    while (day := oldest_day(database)) is not None and day < before:
        with one_writer(workspace), reaching():
            count = _archive_day(workspace.archived_predictions, database, day)
        log.info("Archived %d answers of %s.", count, day)
        days.append(day)
        rows += count
    return Archived(before=before, days=days, rows=rows)


def find_archived(
    workspace: Workspace,
    *,
    image_id: str | None = None,
    request_id: str | None = None,
    day: date | None = None,
) -> "list[PredictionRecord]":
    """The archived answers about an image or under a request id, of one day if given, oldest first.

    Without a day all files are looked through.

    Raises:
        Unavailable: a bucket does not answer.
    """
    from ml.store.prediction_archive import find_in_file

    answers = {}
    with reaching():
        for path in found(workspace.archived_predictions, f"*/{day or ''}*{_SUFFIX}"):
            with path.open("rb") as file:
                for record in find_in_file(file, image_id=image_id, request_id=request_id):
                    answers[record.request_id] = record
    return sorted(answers.values(), key=lambda record: record.at)


def _archive_day(answers: "Place", database: "Engine", day: date) -> int:
    from ml.store import ledger
    from ml.store.prediction_archive import delete_day, write_day

    folder, subject = answers / f"{day:%Y-%m}", f"predictions/{day}"
    known = {str(line.evidence["sha256"]) for line in ledger.about(database, subject)}
    with tempfile.TemporaryFile() as written:
        rows = write_day(database, day, written)
        sha256 = _sha256(written)
        target = folder / f"{day}-{sha256[:16]}{_SUFFIX}"
        _sweep(folder, day, {*known, sha256})
        if not target.is_file():
            written.seek(0)
            with replacing(target) as file:
                shutil.copyfileobj(written, file)
    with target.open("rb") as kept:
        if _sha256(kept) != sha256:
            raise ArchiveDamaged(
                f"{target} is not what was written there; no answer of {day} was deleted.",
                remedy="Remove that file and look after its disk, then archive again.",
            )
    if sha256 not in known:
        ledger.append(
            database,
            actor="pipeline",
            action="archive",
            subject=subject,
            reason="older than monitoring.keep_days",
            evidence={"rows": rows, "sha256": sha256, "file": f"{folder.name}/{target.name}"},
        )
    delete_day(database, day, rows=rows)
    return rows


def _sweep(folder: "Place", day: date, hashes: set[str]) -> None:
    """Remove what an attempt left that was broken off before its line in the ledger."""
    names = {f"{day}-{sha256[:16]}{_SUFFIX}" for sha256 in hashes}
    for path in found(folder, f"{day}-*{_SUFFIX}"):
        if path.name not in names:
            path.unlink()


def _sha256(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
