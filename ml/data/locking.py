"""One writer at a time in a folder, over all processes of this machine."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.data.storage import Place

_LOCK_FILE = ".lock"


@contextmanager
def locked(folder: Place) -> Iterator[None]:
    """Wait for the folder's lock and hold it. A killed holder releases it."""
    if not isinstance(folder, Path):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
