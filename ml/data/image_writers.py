"""Many images written at once: the disk and the network are waited for together, not one by one."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from upath import UPath

from ml.contract.decoding import Pixels
from ml.data.storage import PRIVATE_FILE, PartialFolder, make_folder, room_for, sweep, sync
from ml.data.tiff import tiff_parts

# Files that are not durable yet, and threads that wait for the disk: what several ask for at the
# same time is one commit of its journal.
_UNNAMED, _SYNCING = 64, 4
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
    """Writes into a hidden folder and names files once they are durable.

    The disk is waited for beside the work on the next images.
    """

    def __init__(self, root: Path) -> None:
        make_folder(root)
        sweep(root)
        self._root = str(root)
        self._partial = PartialFolder(root, "images")
        self._unnamed: deque[_Written] = deque()
        self._count = 0
        self._named_in: set[str] = set()
        self._pool = ThreadPoolExecutor(_SYNCING)

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
            self._unnamed.append(_Written(hidden, name, self._pool.submit(sync, hidden)))
            if len(self._unnamed) > _UNNAMED:
                self._name(self._unnamed.popleft())

    def settle(self) -> None:
        """See `ImageWriter`.

        Raises:
            DiskFull: there is no room.
        """
        with room_for(self._partial.path):
            while self._unnamed:
                self._name(self._unnamed.popleft())
            list(self._pool.map(sync, self._named_in))

    def close(self) -> None:
        """See `ImageWriter`."""
        self._pool.shutdown(cancel_futures=True)
        self._partial.remove()

    def _name(self, written: "_Written") -> None:
        written.synced.result()
        target = f"{self._root}/{written.name}"
        folder = os.path.dirname(target)  # noqa: PTH120
        if folder not in self._named_in:
            make_folder(Path(folder))
            self._named_in.add(folder)
        os.replace(written.hidden, target)  # noqa: PTH105


@dataclass(frozen=True, slots=True)
class _Written:
    """A file that is to be `name` once it is durable."""

    hidden: str
    name: str
    synced: Future[None]


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
