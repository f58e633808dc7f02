"""Bundles on the local disk, so that a server starts without the registry."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ml.contract.bundle import open_bundle
from ml.contract.errors import BundleInvalid
from serving.sources import Candidate

_KEPT = 3
_logger = logging.getLogger(__name__)


class BundleCache:
    """`bundles/<sha256>` and `last_good.json` under one folder; several processes may share it."""

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
            except BundleInvalid:
                _logger.warning("bundle %s is damaged on this disk: fetched again", sha256[:12])
                shutil.rmtree(folder)
            else:
                return folder
        partial = self._bundles / f"{sha256}.{os.getpid()}.part"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            downloaded = download(partial)
            open_bundle(downloaded, expected_sha256=sha256)
            try:
                downloaded.replace(folder)
            except OSError:
                # Another process was faster; its copy is verified like ours.
                open_bundle(folder, expected_sha256=sha256)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return folder

    def remember(self, candidate: Candidate) -> None:
        """Note the candidate as the last good one and forget the oldest other bundles."""
        partial = self._last_good.with_name(f".{self._last_good.name}.{os.getpid()}.part")
        partial.write_text(candidate.model_dump_json(indent=2) + "\n")
        partial.replace(self._last_good)
        self.keep(candidate)

    def keep(self, candidate: Candidate) -> None:
        """Count the candidate among the newest bundles and forget the oldest, not the last good."""
        (self._bundles / candidate.identity.bundle).touch()
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

    def _prune(self) -> None:
        complete = [path for path in self._bundles.iterdir() if path.suffix != ".part"]
        complete.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        last_good = self.last_good()
        for folder in complete[_KEPT:]:
            if last_good is None or folder.name != last_good.identity.bundle:
                shutil.rmtree(folder, ignore_errors=True)
