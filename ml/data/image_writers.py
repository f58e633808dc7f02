"""Many images written at once: the disk and the network are waited for together, not one by one."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from upath import UPath

from ml.contract.decoding import Pixels
from ml.data.storage import PRIVATE_FILE, PartialFolder, make_folder, room_for, sweep
from ml.data.tiff import tiff_parts

_DURABLE_TOGETHER = 64
_SENT_AT_ONCE, _SENDING = 32, 16


class ImageWriter(Protocol):
    """Takes images one by one."""

    def has(self, name: str) -> bool:
        """Whether `<root>/<name>` is known to be there."""

    def add(self, name: str, pixels: Pixels) -> None:
        """Write uint8 pixels as `<root>/<name>`; it may appear later, but never half a file."""

    def settle(self) -> None:
        """Wait until all that was added is durable under its name."""

    def close(self) -> None:
        """Forget what did not settle."""


class FolderWriter:
    """Writes into a hidden folder, and names files, many at a time, once they are durable.

    The disk is waited for beside the work on the next images.
    """

    def __init__(self, root: Path) -> None:
        make_folder(root)
        sweep(root)
        self._root = str(root)
        self._partial = PartialFolder(root, "images")
        self._written: list[_Written] = []
        self._syncing: tuple[list[_Written], Future[None]] | None = None
        self._count = 0
        self._folders: set[str] = set()
        self._pool = ThreadPoolExecutor(1)

    # Paths are text here: pathlib would take a tenth of an image's time.
    def has(self, name: str) -> bool:
        """See `ImageWriter`."""
        return os.path.isfile(f"{self._root}/{name}")  # noqa: PTH113

    def add(self, name: str, pixels: Pixels) -> None:
        """See `ImageWriter`.

        Raises:
            DiskFull: there is no room.
        """
        with room_for(self._partial.path):
            hidden = f"{self._partial.path}/{self._count}"
            self._count += 1
            with open(hidden, "xb", opener=_private) as file:
                for part in tiff_parts(pixels):
                    file.write(part)
            self._written.append(_Written(hidden, f"{self._root}/{name}"))
            if len(self._written) == _DURABLE_TOGETHER:
                self._name_previous()
                hiddens = [written.hidden for written in self._written]
                self._syncing = self._written, self._pool.submit(self._partial.sync, hiddens)
                self._written = []

    def settle(self) -> None:
        """See `ImageWriter`.

        Raises:
            DiskFull: there is no room.
        """
        with room_for(self._partial.path):
            self._name_previous()
            self._partial.sync([written.hidden for written in self._written])
            self._name(self._written)
            self._written = []
            self._partial.sync([*self._folders, self._root])

    def close(self) -> None:
        """See `ImageWriter`."""
        self._pool.shutdown(cancel_futures=True)
        self._partial.remove()

    def _name_previous(self) -> None:
        if self._syncing is not None:
            files, synced = self._syncing
            synced.result()
            self._name(files)
            self._syncing = None

    def _name(self, files: list["_Written"]) -> None:
        for written in files:
            folder = os.path.dirname(written.target)  # noqa: PTH120
            if folder not in self._folders:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                self._folders.add(folder)
            os.replace(written.hidden, written.target)  # noqa: PTH105


@dataclass(frozen=True, slots=True)
class _Written:
    """A file that takes its target's name once it is durable."""

    hidden: str
    target: str


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_FILE)


class BucketWriter:
    """Uploads images side by side; each is one request, so its name appears with its content."""

    def __init__(self, root: UPath) -> None:
        self._root = root
        self._sent: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(_SENDING)

    def has(self, name: str) -> bool:  # noqa: ARG002
        """Asking would take as long as sending it again."""
        return False

    def add(self, name: str, pixels: Pixels) -> None:
        """See `ImageWriter`."""
        content = b"".join(tiff_parts(pixels))
        self._sent.append(self._pool.submit(_upload, self._root / name, content))
        if len(self._sent) == _SENT_AT_ONCE:
            self._sent.popleft().result()

    def settle(self) -> None:
        """See `ImageWriter`."""
        while self._sent:
            self._sent.popleft().result()

    def close(self) -> None:
        """See `ImageWriter`."""
        self._pool.shutdown(cancel_futures=True)


def _upload(target: UPath, content: bytes) -> None:
    target.write_bytes(content)
