"""Answers that are old go from the database into files, and are found there again."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
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
    """A file of the archive is not what the ledger says was written, or is gone, or nobody's."""

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

    Without a day all files are looked through. Each is what the ledger says was archived.

    Raises:
        ArchiveDamaged: a file was altered or is gone, or the ledger does not know it.
        LedgerBroken: a line about the archive was changed.
        Unavailable: the database or a bucket does not answer.
    """
    from ml.store.prediction_archive import find_in_file

    answers = {}
    with reaching():
        for file in _verified(workspace.archived_predictions, database_of(workspace), day):
            for record in find_in_file(file, image_id=image_id, request_id=request_id):
                answers[record.request_id] = record
    return sorted(answers.values(), key=lambda record: record.at)


def _verified(answers: "Place", database: "Engine", day: date | None) -> Iterator[IO[bytes]]:
    """Copies of the archive's files, of one day if given, each as the ledger says it was written.

    Copies, so that what was hashed is what is read; one at a time.
    """
    # Before the files: what the ledger tells of already, must lie there.
    entered = _entered(database, day)
    paths = {
        f"{path.parent.name}/{path.name}": path
        for path in found(answers, f"*/{day or ''}*{_SUFFIX}")
    }
    missing = sorted(entered.keys() - paths.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ArchiveDamaged(
            f"The archive lacks {missing[0]}{more}, which the ledger says were written.",
            remedy="Restore what is missing from a backup.",
        )
    for name, path in paths.items():
        sha256 = entered.get(name) or _entered_meanwhile(database, name)
        if sha256 is None:
            continue
        with tempfile.TemporaryFile() as copy:
            with path.open("rb") as file:
                shutil.copyfileobj(file, copy, _BLOCK_BYTES)
            if _sha256(copy) != sha256:
                raise ArchiveDamaged(
                    f"{name} in the archive is not what the ledger says was written there.",
                    remedy="Restore that file from a backup, and find out who altered it.",
                )
            copy.seek(0)
            yield copy


def _entered(database: "Engine", day: date | None) -> dict[str, str]:
    """The sha256 of each file, as month and name, that the ledger tells of, of one day if given."""
    from ml.store import ledger

    lines = ledger.about(database, _subject(day)) if day else ledger.of_action(database, "archive")
    return {str(line.evidence["file"]): str(line.evidence["sha256"]) for line in lines}


def _entered_meanwhile(database: "Engine", name: str) -> str | None:
    """The sha256 of a file that the ledger did not tell of a moment ago.

    None while its day is still in the database: its archiving goes on, or was broken off.

    Raises:
        ArchiveDamaged: it is nobody's.
    """
    from ml.store.prediction_archive import holds_day

    day = _day_of(name)
    if day is not None:
        # In this order: a day leaves the database only after its line was written.
        if holds_day(database, day):
            return None
        entered = _entered(database, day)
        if name in entered:
            return entered[name]
    raise ArchiveDamaged(
        f"{name} lies in the archive, and the ledger does not know it.",
        remedy="Find out who put it there, and take it away.",
    )


def _day_of(name: str) -> date | None:
    try:
        return date.fromisoformat(name.rpartition("/")[2][: len("2026-01-01")])
    except ValueError:
        return None


def _subject(day: date) -> str:
    return f"predictions/{day}"


def _archive_day(answers: "Place", database: "Engine", day: date) -> int:
    from ml.store import ledger
    from ml.store.prediction_archive import delete_day, write_day

    folder, subject = answers / f"{day:%Y-%m}", _subject(day)
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
