"""The bytes of delivered files, from a folder or a bucket, none larger than it may be."""

import errno
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from ml.contract.decoding import DecodeLimits
from ml.contract.errors import ImageTooLarge, InputError, Unavailable
from ml.data.results import IncomingImage
from ml.data.storage import Place

_FETCHED_AHEAD = 16


class MissingFile(InputError):
    """A listed file is not there, or not inside its delivery."""

    code = "missing-file"


def delivered(
    source: Place, files: Sequence[IncomingImage], limits: DecodeLimits
) -> Iterator[tuple[IncomingImage, Callable[[], bytes]]]:
    """Each file with a function that gives its bytes.

    A bucket's files are fetched ahead, side by side. The function raises `MissingFile` or
    `ImageTooLarge`.
    """
    if isinstance(source, Path):
        for image in files:
            yield image, partial(_read, source, image.path, limits)
        return
    waiting: deque[tuple[IncomingImage, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_FETCHED_AHEAD) as pool:
        for image in files:
            waiting.append((image, pool.submit(_read, source, image.path, limits)))
            if len(waiting) == _FETCHED_AHEAD:
                first, future = waiting.popleft()
                yield first, future.result
        for image, future in waiting:
            yield image, future.result


def _read(source: Place, name: str, limits: DecodeLimits) -> bytes:
    try:
        path, parts = source / name, PurePosixPath(name)
        if ".." in parts.parts or parts.is_absolute():
            raise _missing()
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise _missing()
        size = status.st_size
        if size > limits.max_bytes:
            raise ImageTooLarge(f"The file has {size:,} bytes; the limit is {limits.max_bytes:,}.")
        with path.open("rb") as file:
            # No more than was seen, whatever becomes of the file meanwhile; but of an empty one,
            # too, the system must say that it can be read.
            return file.read(size or 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise _missing() from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _missing() from None
        # What the system says quotes the path, which may name a patient.
        raise Unavailable(
            f"A delivered file cannot be read ({error.strerror or type(error).__name__}).",
            remedy="Check the landing zone, and that Vigie may read all of it.",
        ) from None


def _missing() -> MissingFile:
    return MissingFile("The listed file is missing.", remedy="Deliver it, or correct the list.")
