"""Where images and tables lie, a folder or a prefix of an S3 bucket, with the same promises.

A file appears under its name whole or not at all, and stays after a power cut. In a folder it is
written beside its name, made durable and renamed; in a bucket it is one upload.
"""

import ctypes
import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, TypeAlias

from upath import UPath

from ml.contract.errors import DiskFull, InvalidParams, Unavailable, VigieError

Place: TypeAlias = Path | UPath
"""A folder or file: a plain path, or an `s3://` one."""

PRIVATE_FILE, _SHARED_FILE = 0o600, 0o644
_BUCKET = "s3"
_CLIENTS = ("botocore", "aiobotocore", "aiohttp")
# At DEBUG they tell the names of objects, which may be named after patients.
for _name in (*_CLIENTS, "boto3", "fsspec", "s3fs", "s3transfer", "urllib3"):
    logging.getLogger(_name).setLevel(logging.INFO)
_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def place(address: str | Place) -> Place:
    """A folder's or file's address: `s3://bucket/prefix`, or a path, which is made absolute.

    Where the bucket is and who may read it stands in the environment (`AWS_ENDPOINT_URL`,
    `AWS_ACCESS_KEY_ID`, …), as for every S3 client.

    Raises:
        InvalidParams: another scheme, or the extra `s3` is not installed.
    """
    scheme, separator, _ = str(address).partition("://")
    if not separator:
        return Path(str(address)).resolve()
    if scheme != _BUCKET:
        raise InvalidParams(
            f"{scheme}:// is not a place for images.", remedy="Name a folder or s3://bucket/prefix."
        )
    try:
        # Listings must show what others have just stored.
        remote = UPath(str(address).rstrip("/"), use_listings_cache=False)
        _ = remote.fs
    except ImportError as error:
        raise InvalidParams(
            f"{address} cannot be reached without an S3 client.", remedy="Install the extra `s3`."
        ) from error
    return remote


@contextmanager
def reaching() -> Iterator[None]:
    """Say in our words why a bucket cannot be used.

    Raises:
        Unavailable: it does not answer, does not exist or does not let us in.
    """
    try:
        yield
    except VigieError:
        raise
    except Exception as error:  # S3 clients raise types of their own, and OSError
        client = _error_of_client(error)
        if client is None:
            raise
        raise _said_by_bucket(error, client) from None


def _error_of_client(error: BaseException | None) -> BaseException | None:
    while error is not None and type(error).__module__.partition(".")[0] not in _CLIENTS:
        error = error.__cause__ or error.__context__
    return error


def _said_by_bucket(error: Exception, client: BaseException) -> Unavailable:
    # Their messages name objects, which may be named after patients.
    kind = type(client).__name__
    if isinstance(error, PermissionError) or "Credentials" in kind:
        return Unavailable(
            f"The S3 bucket does not let us in ({kind}).",
            remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a user with access to it.",
        )
    if "NoSuchBucket" in kind or "bucket does not exist" in str(client):
        return Unavailable("There is no such S3 bucket.", remedy="Make it, or correct its address.")
    return Unavailable(
        f"The S3 bucket does not answer ({kind}).",
        remedy="Check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and the network.",
    )


@contextmanager
def replacing(target: Place, *, mode: int = _SHARED_FILE) -> Iterator[IO[bytes]]:
    """Give a file to write; at the end it takes `target`'s name, after an error it is gone.

    What a killed process left of an earlier attempt is removed.

    Args:
        mode: permissions, in a folder.

    Raises:
        DiskFull: there is no room.
    """
    if not isinstance(target, Path):
        with _uploading(target) as upload:
            yield upload
        return
    with room_for(target):
        make_folder(target.parent)
        sweep(target.parent, target.name)
        file, partial = open_partial(target.parent, target.name)
        try:
            with file:
                os.fchmod(file.fileno(), mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
                partial.replace(target)
            sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _uploading(target: UPath) -> Iterator[IO[bytes]]:
    upload = target.fs.open(target.path, "wb", autocommit=False)
    try:
        yield upload
        upload.close()
    except BaseException:
        # Closing sends what there is; discarding then forgets it.
        with suppress(Exception):
            upload.close()
            upload.discard()
        raise
    upload.commit()


def write_bytes(target: Place, content: bytes, *, mode: int = _SHARED_FILE) -> None:
    """Write a file whole or not at all; `mode` are its permissions in a folder."""
    with replacing(target, mode=mode) as file:
        file.write(content)


def found(folder: Place, pattern: str) -> list[Place]:
    """Visible files and folders that match a pattern, ordered by name; none without the folder."""
    depth = len(folder.parts)
    matching: list[Place] = [
        path
        for path in folder.glob(pattern)
        if not any(part.startswith(".") for part in path.parts[depth:])
    ]
    return sorted(matching, key=str)


@contextmanager
def room_for(target: Path) -> Iterator[None]:
    """Say that the disk is full where it is.

    Raises:
        DiskFull: there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise DiskFull(
            f"There is no room for {target}.",
            remedy="Free space on that disk, then repeat the stage: it goes on where it stopped.",
            details={"path": str(target)},
        ) from error


def open_partial(folder: Path, name: str) -> tuple[IO[bytes], Path]:
    """A new hidden file `.<name>.*.part`, locked for as long as its writer lives."""
    while True:
        descriptor, path = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
        file = os.fdopen(descriptor, "wb")
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if Path(path).exists():
                return file, Path(path)
        file.close()  # a sweep came between making and locking it


class PartialFolder:
    """A new hidden folder `.<name>.*.part` for half-written files, locked while its maker lives."""

    def __init__(self, folder: Path, name: str) -> None:
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=folder))
            with suppress(FileNotFoundError):  # a sweep came between making and locking it
                self._lock = os.open(self.path, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                if self.path.exists():
                    return
                os.close(self._lock)

    def sync(self, files: Iterable[str]) -> None:
        """Make files durable, and folders' names, that lie on this folder's file system.

        Linux is asked once for the whole file system, which takes next to no CPU beside fsync of
        each of many files. An error in writing any of them since the folder was made is raised
        (Linux 5.8).
        """
        if _syncfs is None:
            for path in files:
                sync(path)
        elif _syncfs(self._lock):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(self.path))

    def remove(self) -> None:
        """Remove it with what is left in it."""
        shutil.rmtree(self.path)
        os.close(self._lock)


def sweep(folder: Place, name: str | None = None) -> None:
    """Remove what killed writers left half-written; living ones hold their locks.

    A bucket shows nothing half-written.

    Args:
        name: of a file that was to be written, any if None.
    """
    if not isinstance(folder, Path):
        return
    for path in folder.glob(f".{'*' if name is None else f'{escape(name)}.*'}.part"):
        with suppress(FileNotFoundError, BlockingIOError), _opened(path) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def _opened(path: Path | str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def sync(path: Path | str) -> None:
    """Make a file's content durable, or a folder's names, as fsync of the files alone does not."""
    with _opened(path) as descriptor:
        os.fsync(descriptor)
