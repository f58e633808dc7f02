"""The key file as the server sees it: read again when it changes, so keys rotate without a stop."""

import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from ml.contract.api_keys import ApiKey, read_keys
from ml.contract.errors import InvalidParams

_LOOK_SECONDS = 1.0
_NOWHERE = (0, 0, 0)
_logger = logging.getLogger(__name__)


class KeyFile:
    """Thread-safe. A file that can no longer be read is told of, and the keys read last count on:
    whoever may write it could as well add a key."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            InvalidParams: it cannot be read; a server without keys must not start by mistake.
        """
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._mark()  # of the file that the keys in force were read from
        self._failed: tuple[int, int, int] | None = None
        self._ring = read_keys(path)
        self._looked = time.monotonic()

    def find(self, presented: str) -> ApiKey | None:
        """The key that was presented; None where it is unknown, wrong or expired."""
        self._look()
        return self._ring.find(presented, datetime.now(UTC))

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked < _LOOK_SECONDS:
                return
            self._looked = time.monotonic()
            mark = self._mark()
            if mark == self._seen:
                self._failed = None
                return
            try:
                self._ring = read_keys(self._path)
            except InvalidParams as error:
                if mark != self._failed:  # it is tried again each time, and told of once
                    _logger.error("keys read before stay in force: %s", error)  # noqa: TRY400
                self._failed = mark
            else:
                self._seen, self._failed = mark, None
                _logger.info("%d keys are in force", len(self._ring))

    def _mark(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return _NOWHERE
        return status.st_ino, status.st_size, status.st_mtime_ns
