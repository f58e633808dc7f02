"""Large files appear whole or not at all, and a full disk is said to be one."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.contract.errors import DiskFull

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def whole_file(path: Path, needed: int) -> Iterator[Path]:
    """Give a temporary name beside `path`; what is written there becomes `path` at the end.

    Args:
        path: a file, or a folder that is replaced as a whole.
        needed: bytes that will be written, as far as known.

    Raises:
        DiskFull: there is no room; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with room_for(path, needed):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(partial)
            yield partial
        if path.is_dir():
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            path.rename(old)
            partial.rename(path)
            _remove(old)
        else:
            partial.replace(path)
    finally:
        _remove(partial)


@contextmanager
def room_for(path: Path, needed: int) -> Iterator[None]:
    """Refuse before writing where the disk is too small, and turn its errors into `DiskFull`."""
    nearest = next(folder for folder in path.absolute().parents if folder.is_dir())
    if shutil.disk_usage(nearest).free < needed:
        raise _disk_full(path, needed)
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM or "No space left" in str(error):  # HDF5 hides the number
            raise _disk_full(path, needed) from error
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def _disk_full(path: Path, needed: int) -> DiskFull:
    return DiskFull(
        f"There is no room for {path}: {needed / 2**20:.1f} MB are needed.",
        remedy="Free space on that disk, then repeat the stage: it goes on where it stopped.",
        details={"path": str(path), "bytes": needed},
    )
