"""Bundles on the local disk, so that a server starts without the registry."""

import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ml.contract.bundle import open_bundle
from ml.contract.errors import BundleInvalid
from serving.sources import Candidate

_KEPT = 3
_PARTIAL = ".part"
_ABANDONED_SECONDS = 24 * 3600.0  # no download takes that long: its process was killed
_logger = logging.getLogger(__name__)


class BundleCache:
    """`bundles/<sha256>` and `last_good.json` under one folder; several processes may share it.

    They may be replicas with process ids of their own, so what each writes is told apart by chance.
    """

    def __init__(self, folder: Path) -> None:
        self._bundles = folder / "bundles"
        self._last_good = folder / "last_good.json"

    def fetch(self, sha256: str, download: Callable[[Path], Path]) -> Path:
        """The verified bundle, downloaded unless it is here.

        Args:
            download: puts the bundle below the empty folder it is given and returns where.

        Raises:
            BundleInvalid: what was downloaded is not the bundle of that name.
        """
        folder = self._bundles / sha256
        if folder.is_dir():
            try:
                open_bundle(folder, expected_sha256=sha256)
            except (BundleInvalid, FileNotFoundError):  # the latter: another process is at it
                _logger.warning("bundle %s is damaged on this disk: fetched again", sha256[:12])
                self._discard(folder)
            else:
                return folder
        with self._partial(sha256) as partial:
            downloaded = download(partial)
            open_bundle(downloaded, expected_sha256=sha256)
            try:
                downloaded.replace(folder)
            except OSError:
                # Another process was faster; its copy is verified like ours.
                open_bundle(folder, expected_sha256=sha256)
        return folder

    def remember(self, candidate: Candidate) -> None:
        """Note the candidate as the last good one and forget the oldest other bundles."""
        name = f".{self._last_good.name}.{secrets.token_hex(8)}{_PARTIAL}"
        partial = self._last_good.with_name(name)
        try:
            partial.write_text(candidate.model_dump_json(indent=2) + "\n")
            partial.replace(self._last_good)
        finally:
            partial.unlink(missing_ok=True)
        self.keep(candidate)

    def keep(self, candidate: Candidate) -> None:
        """Count the candidate among the newest bundles and forget the oldest, not the last good."""
        with suppress(FileNotFoundError):  # another process forgot it
            os.utime(self._bundles / candidate.identity.bundle)
        self._prune()

    def last_good(self) -> Candidate | None:
        """The candidate noted last, if its bundle is still here."""
        try:
            candidate = Candidate.model_validate_json(self._last_good.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            _logger.warning("%s cannot be read and is ignored", self._last_good.name)
            return None
        return candidate if (self._bundles / candidate.identity.bundle).is_dir() else None

    @contextmanager
    def _partial(self, sha256: str) -> Iterator[Path]:
        """An empty folder of one's own, removed with what is left in it."""
        self._bundles.mkdir(parents=True, exist_ok=True)
        made = tempfile.mkdtemp(prefix=f"{sha256}.", suffix=_PARTIAL, dir=self._bundles)
        try:
            yield Path(made)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _discard(self, folder: Path) -> None:
        # In one step: another process sees all of it or none, and may be at it, too.
        with self._partial(folder.name) as partial, suppress(FileNotFoundError):
            folder.rename(partial / folder.name)

    def _prune(self) -> None:
        ages: dict[Path, float] = {}
        for path in self._bundles.iterdir():
            with suppress(FileNotFoundError):  # another process was faster
                ages[path] = time.time() - path.stat().st_mtime
        complete = [path for path in ages if path.suffix != _PARTIAL]
        complete.sort(key=ages.__getitem__)
        last_good = self.last_good()
        for folder in complete[_KEPT:]:
            if last_good is None or folder.name != last_good.identity.bundle:
                self._discard(folder)
        for folder, age in ages.items():
            if folder.suffix == _PARTIAL and age > _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
