"""Files of which only those that changed are read again."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from ml.data.manifest import each_file
from ml.data.storage import Place

Content = TypeVar("Content")
_Stamp = tuple[int, int] | None


class Remembered(Generic[Content]):
    """What is in files, by their path. In a bucket a name always stands for the same content."""

    def __init__(self, parse: Callable[[bytes], Content]) -> None:
        self._parse = parse
        self._known: dict[Place, tuple[_Stamp, Content]] = {}

    def read(self, files: Iterable[Place]) -> dict[Place, Content]:
        """The contents of these files, and of no others that were read before."""
        stamps = {path: _stamp(path) for path in files}
        changed = [
            path
            for path, stamp in stamps.items()
            if path not in self._known or self._known[path][0] != stamp
        ]
        fresh = dict(zip(changed, each_file(_read, changed), strict=True))
        self._known = {
            path: (stamp, self._parse(fresh[path]) if path in fresh else self._known[path][1])
            for path, stamp in stamps.items()
        }
        return {path: content for path, (_, content) in self._known.items()}


def _stamp(path: Place) -> _Stamp:
    if not isinstance(path, Path):
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _read(path: Place) -> bytes:
    return path.read_bytes()
