"""A folder of backups: each content once, under its own hash, and a manifest for each backup.

A manifest comes last and is named after its own hash, so that a backup is whole or is not there,
and nothing of it can change unnoticed.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Container, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from ml.contract.errors import NotFound
from ml.data.locking import locked
from ml.data.storage import (
    PRIVATE_FILE,
    PartialFolder,
    make_folder,
    open_partial,
    room_for,
    sweep,
    sync,
    write_bytes,
)
from ml.stack.backup_manifest import FORMAT, Manifest
from ml.stack.errors import BackupDamaged, BackupTooNew

_PIECE = 2**20
_SHOWN = 5
_NAME = re.compile(r"[\dTZ-]+\.[0-9a-f]{64}\.json")
_CONTENT = re.compile(r"[0-9a-f]{64}")


class BackupFolder:
    """Backups of one installation, side by side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._contents = self.folder / "contents"
        self._manifests = self.folder / "backups"

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Hold the folder as its only writer; gives a folder for what is half-made."""
        for path in (self._contents, self._manifests):
            with room_for(path):
                make_folder(path)
        self.folder.chmod(0o700)
        with locked(self.folder):
            sweep(self.folder)
            sweep(self._contents)
            scratch = PartialFolder(self.folder, "making")
            try:
                yield scratch.path
            finally:
                scratch.remove()

    def names(self) -> list[str]:
        """The backups that are here, oldest first; other files are none of them."""
        found = (path.name for path in self._manifests.glob("*.json"))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def read(self, name: str | None = None) -> Manifest:
        """A backup's manifest; the newest's without a name, or with its beginning.

        Raises:
            NotFound: there is no such backup.
            BackupDamaged: the manifest was altered.
            BackupTooNew: a newer release wrote it.
        """
        names = [found for found in self.names() if found.startswith(name or "")]
        if not names:
            raise NotFound(
                f"There is no backup {name or ''} in {self.folder}.".replace("  ", " "),
                remedy="Name the folder that `vigie backup` was given.",
            )
        content = (self._manifests / names[-1]).read_bytes()
        if hashlib.sha256(content).hexdigest() != names[-1].split(".")[1]:
            raise BackupDamaged(
                f"The manifest {names[-1]} was altered.", remedy=_earlier(self.names())
            )
        try:
            return Manifest.model_validate_json(content)
        except ValidationError as error:
            raise BackupTooNew(
                f"The backup {names[-1]} is not of format {FORMAT}, which this release reads.",
                remedy="Restore it with the release that made it, then upgrade.",
            ) from error

    def write(self, manifest: Manifest) -> str:
        """Add a backup whose contents are all here; its name."""
        os.sync()  # thousands of files at once, where one by one the disk would be waited for
        content = manifest.model_dump_json(indent=1).encode()
        name = f"{stamp(manifest.made_at)}.{hashlib.sha256(content).hexdigest()}.json"
        write_bytes(self._manifests / name, content, mode=PRIVATE_FILE)
        return name

    def has(self, sha256: str, size: int) -> bool:
        """Whether a content is here, by its name and size alone."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == size

    def add(self, source: Path, kept: Container[str]) -> tuple[str, int]:
        """Take a file's content in, durable with the next manifest; gives its hash and size.

        Args:
            kept: hashes that need not be written again. What an interrupted backup left may be
                lost to a power cut yet, so that is.
        """
        with room_for(source):
            file, partial = open_partial(self._contents, "content")
            try:
                with file, source.open("rb") as content:
                    sha256, size = _copied(content, file)
                    file.flush()
                    if sha256 not in kept or not self.has(sha256, size):
                        target = self.path(sha256)
                        target.parent.mkdir(exist_ok=True)
                        partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        return sha256, size

    def remove(self, names: Collection[str], needed: Container[str]) -> None:
        """Remove backups, then every content that is not `needed`.

        In this order an interruption leaves contents too many, never a backup without its contents.
        """
        for name in sorted(names):
            (self._manifests / name).unlink()
        sync(self._manifests)
        for path in self._contents.glob("??/*"):
            if _CONTENT.fullmatch(path.name) and path.name not in needed:
                path.unlink()

    def copy(self, sha256: str, target: Path) -> None:
        """Write a content to a new file, not durable yet.

        Raises:
            FileExistsError: there is a file of this name.
        """
        with room_for(target), self.path(sha256).open("rb") as content, target.open("xb") as file:
            shutil.copyfileobj(content, file, _PIECE)

    def check(self, manifest: Manifest) -> int:
        """Read everything that a backup needs; how many contents.

        Raises:
            BackupDamaged: some are missing or altered; names the first ones.
        """
        wrong = [sha256 for sha256 in manifest.contents if not self._is_whole(sha256)]
        if wrong:
            more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise BackupDamaged(
                f"Of {len(manifest.contents)} contents in {self._contents}, these are missing or "
                f"altered: {', '.join(wrong[:_SHOWN])}{more}.",
                remedy=f"Delete them and back up again; or: {_earlier(self.names())}",
            )
        return len(manifest.contents)

    def path(self, sha256: str) -> Path:
        """The file that holds a content."""
        return self._contents / sha256[:2] / sha256

    def _is_whole(self, sha256: str) -> bool:
        path = self.path(sha256)
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def stamp(moment: datetime) -> str:
    """A moment as the beginning of a backup's name."""
    return f"{moment:%Y-%m-%dT%H-%M-%S-%fZ}"


def _copied(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while piece := source.read(_PIECE):
        digest.update(piece)
        target.write(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _earlier(names: list[str]) -> str:
    if len(names) < 2:
        return "Restore from another copy of this folder."
    return f"Restore another one with --at, of: {', '.join(name.split('.')[0] for name in names)}."
