"""Quarantine: files that were refused, each with its reasons, readable by their owner alone."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ml.data.locking import locked
from ml.data.results import QuarantinedImage

CONTENT_FILE = "content"
REASONS_FILE = "reasons.json"
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


class Quarantine:
    """A folder `<quarantine id>/` holding `content` and, written last, `reasons.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        data: bytes | None,
        *,
        reasons: Sequence[str],
        code: str,
        label: str | None,
        batch_id: str,
        identity: str | None = None,
    ) -> str:
        """Put a file aside; return its quarantine id, the sha256 of its bytes.

        The same file again adds its new reasons to the old ones.

        Args:
            data: the file, or None if it is missing or too large to copy.
            reasons: sentences for a person.
            code: the kind of fault, for counting.
            identity: the id to use when there are no bytes.
        """
        if data is not None:
            identity = hashlib.sha256(data).hexdigest()
        elif identity is None:
            raise ValueError("A file without bytes needs an identity.")
        self.root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        folder = self.root / identity
        with locked(self.root):
            folder.mkdir(exist_ok=True, mode=_PRIVATE_FOLDER)
            if data is not None:
                _write_private(folder / CONTENT_FILE, data)
            earlier = _read(folder)
            record = QuarantinedImage(
                quarantine_id=identity,
                code=code,
                reasons=sorted({*reasons, *(earlier.reasons if earlier else ())}),
                label=label,
                batch_id=batch_id,
                file_bytes=len(data or b""),
            )
            _write_private(folder / REASONS_FILE, record.model_dump_json(indent=2).encode())
        return identity

    def list(self) -> list[QuarantinedImage]:
        """All quarantined files, ordered by id."""
        if not self.root.is_dir():
            return []
        records = (_read(folder) for folder in sorted(self.root.iterdir()) if folder.is_dir())
        return [record for record in records if record is not None]


def _read(folder: Path) -> QuarantinedImage | None:
    path = folder / REASONS_FILE
    return QuarantinedImage.model_validate(json.loads(path.read_text())) if path.is_file() else None


def _write_private(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=_PRIVATE_FILE)
    partial.write_bytes(data)
    partial.replace(path)
