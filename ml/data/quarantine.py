"""Quarantine: refused files with their reasons, until a person or time decides on them.

What was delivered may name its patient, so it is sealed; reasons are not, and name nobody.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ml.contract.errors import InputError, NotFound
from ml.data.quarantine_record import OPEN, Content, Event, Fault, QuarantinedImage, State, refusal
from ml.data.results import IncomingImage
from ml.data.rulings import Ruling, Rulings
from ml.data.sealed import Seal
from ml.data.storage import PRIVATE_FILE, Place, found, sweep, write_bytes

RECORD_FILE, CONTENT_FILE, DELIVERY_FILE = "record.json", "content", "delivery"
_OPEN, _CLOSED, _RULINGS = "open", "closed", "rulings"
_PRIVATE_FOLDER = 0o700
_HEXADECIMAL = re.compile("[0-9a-f]+")


class Quarantine:
    """A place `open/<quarantine id>/` of sealed `content` and `delivery` and, written last,
    `record.json`; of what is decided, `closed/<quarantine id>/record.json` alone is left.

    Files of a folder are readable by their owner alone. Many writers may add files at once.
    """

    def __init__(self, root: Place, seal: Seal) -> None:
        self.root = root
        self.rulings = Rulings(root / _RULINGS)
        self._seal = seal

    def add(
        self,
        image: IncomingImage,
        data: bytes | None,
        *,
        faults: Sequence[Fault],
        batch_id: str,
        content: Content = "delivered",
        image_id: str | None = None,
        at: datetime | None = None,
    ) -> str:
        """Put a file aside; return its quarantine id. A file that was here before comes back with
        its history.

        Args:
            image: what is known of the file, to bring it in again when it is released.
            data: the file, or None if it is missing or too large to copy.
            content: what `data` is.
            image_id: of its pixels, if it could be decoded.
            at: now if None.
        """
        at = at or datetime.now(UTC)
        identity = hashlib.sha256(data).hexdigest() if data is not None else image.fingerprint
        folder = self._folder(_OPEN, identity)
        for private in (self.root, self.root / _OPEN, folder):
            _make_private(private)
        sweep(folder)
        earlier = self._read(_OPEN, identity) or self._read(_CLOSED, identity)
        record = QuarantinedImage(
            quarantine_id=identity,
            faults=list(faults),
            label=image.label,
            site=image.site,
            batch_id=batch_id,
            image_id=image_id,
            fingerprint=image.fingerprint,
            content=content if data is not None else "none",
            file_bytes=len(data or b""),
            state="waiting",
            first_seen=earlier.first_seen if earlier else at,
            last_seen=at,
            history=earlier.history if earlier else [],
        )
        if data is not None:
            self._write_sealed(folder / CONTENT_FILE, data)
        self._write_sealed(folder / DELIVERY_FILE, image.model_dump_json().encode())
        self._write_record(_OPEN, record.with_event(refusal(faults, batch_id, at)))
        (self._folder(_CLOSED, identity) / RECORD_FILE).unlink(missing_ok=True)
        return identity

    def list(self, *states: State) -> list[QuarantinedImage]:
        """Files in these states, all if none is named; the last seen come first."""
        places = {_OPEN if state in OPEN else _CLOSED for state in states} or {_OPEN, _CLOSED}
        records = [
            QuarantinedImage.model_validate_json(path.read_bytes())
            for place in sorted(places)
            for path in found(self.root / place, f"*/{RECORD_FILE}")
        ]
        chosen = [record for record in records if not states or record.state in states]
        return sorted(chosen, key=lambda item: (item.last_seen, item.quarantine_id), reverse=True)

    def find(self, identity: str) -> QuarantinedImage:
        """The file of an id, or of its unmistakable beginning.

        Raises:
            NotFound: there is none.
            InputError: several ids begin so.
        """
        # Only an id may stand in a pattern of names.
        places = (_CLOSED, _OPEN) if _HEXADECIMAL.fullmatch(identity) else ()
        paths = {
            path.parent.name: place
            for place in places
            for path in found(self.root / place, f"{identity}*/{RECORD_FILE}")
        }
        if len(paths) > 1:
            raise InputError(
                f"{len(paths)} quarantined files have ids that begin with {identity!r}.",
                remedy="Give more of the id.",
            )
        for name, place in paths.items():
            if record := self._read(place, name):
                return record
        raise NotFound(
            f"There is no quarantined file {identity!r}.", remedy="See `vigie quarantine`."
        )

    def content(self, identity: str) -> bytes:
        """The file as it was delivered, or the stored image that stands for it.

        Raises:
            NotFound: nothing of it is kept.
            SealBroken: another key sealed it.
        """
        return self._open_sealed(identity, CONTENT_FILE)

    def delivery(self, identity: str) -> IncomingImage:
        """How the file was delivered; its path may name a patient.

        Raises:
            NotFound, SealBroken: as `content`.
        """
        return IncomingImage.model_validate_json(self._open_sealed(identity, DELIVERY_FILE))

    def release(
        self,
        record: QuarantinedImage,
        *,
        mark: str,
        by: str,
        reason: str,
        label: str | None,
        at: datetime,
    ) -> QuarantinedImage:
        """Let a file come to the next ingest, and its image past the faults that it has.

        Args:
            mark: makes the fingerprint a new one; the same mark gives the same.
            label: in the place of the delivered one; None lets that stand.
        """
        identity = record.quarantine_id
        was = f"{record.fingerprint}/{identity}/{mark}"
        name = hashlib.sha256(was.encode()).hexdigest()
        image = self.delivery(identity).model_copy(
            update={
                "fingerprint": name,
                "quarantined": identity,
                "label": label or record.label,
            }
        )
        if record.image_id is not None:
            codes = [fault.code for fault in record.faults]
            self.rulings.add(
                Ruling(
                    image_id=record.image_id,
                    codes=codes,
                    by=by,
                    reason=reason,
                    at=at,
                )
            )
        self._write_sealed(
            self._folder(_OPEN, identity) / DELIVERY_FILE, image.model_dump_json().encode()
        )
        event = Event(at=at, state="released", by=by, reason=reason)
        released = record.with_event(event, fingerprint=name, label=image.label)
        self._write_record(_OPEN, released)
        return released

    def released(self) -> Iterator[IncomingImage]:
        """The files that the next ingest takes."""
        for record in self.list("released"):
            yield self.delivery(record.quarantine_id)

    def settle(
        self, fingerprints: Iterable[str], state: State, *, by: str, reason: str = ""
    ) -> None:
        """Close the released files of a batch: `accepted` where it took them in or knew them
        already, `discarded` where it was turned away."""
        names, now = set(fingerprints), datetime.now(UTC)
        for record in self.list("released"):
            if record.fingerprint in names:
                self.close(record, state, by=by, reason=reason, at=now)

    def close(
        self, record: QuarantinedImage, state: State, *, by: str, reason: str, at: datetime
    ) -> QuarantinedImage:
        """Destroy a file's content and keep its record as `accepted`, `discarded` or `expired`."""
        event = Event(at=at, state=state, by=by, reason=reason)
        closed = record.with_event(event, content="none")
        for private in (self.root / _CLOSED, self._folder(_CLOSED, record.quarantine_id)):
            _make_private(private)
        self._write_record(_CLOSED, closed)
        folder = self._folder(_OPEN, record.quarantine_id)
        sweep(folder)
        for name in (RECORD_FILE, CONTENT_FILE, DELIVERY_FILE):
            (folder / name).unlink(missing_ok=True)
        if isinstance(folder, Path):
            folder.rmdir()
        return closed

    def _folder(self, place: str, identity: str) -> Place:
        return self.root / place / identity

    def _read(self, place: str, identity: str) -> QuarantinedImage | None:
        path = self._folder(place, identity) / RECORD_FILE
        return QuarantinedImage.model_validate_json(path.read_bytes()) if path.is_file() else None

    def _write_record(self, place: str, record: QuarantinedImage) -> None:
        path = self._folder(place, record.quarantine_id) / RECORD_FILE
        write_bytes(path, record.model_dump_json(indent=2).encode(), mode=PRIVATE_FILE)

    def _write_sealed(self, path: Place, data: bytes) -> None:
        write_bytes(path, self._seal.close(data), mode=PRIVATE_FILE)

    def _open_sealed(self, identity: str, name: str) -> bytes:
        try:
            sealed = (self._folder(_OPEN, identity) / name).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(
                f"Nothing is kept of the quarantined file {identity[:12]}….",
                remedy="Deliver it again.",
            ) from error
        return self._seal.open(sealed)


def open_records(root: Place) -> list[Place]:
    """The records of the files that are kept in a quarantine."""
    return found(root / _OPEN, f"*/{RECORD_FILE}")


def _make_private(folder: Place) -> None:
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
