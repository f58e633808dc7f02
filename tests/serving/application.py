"""An application on a bundle, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from ml.store.database import open_database
from ml.store.migrate import migrate
from serving.app import create_app
from serving.settings import Settings
from serving.sources import FolderSource


@contextmanager
def running_app(home: Path, bundle: Path, **settings: Any) -> Iterator[TestClient]:
    """Serve `bundle`; settings may be given by name. Its own default database is ready."""
    chosen = Settings(**{"home": home, "workers": 2, "poll_seconds": 0.1, **settings})
    if chosen.database_url is None:
        migrate(open_database(chosen.database))
    app = create_app(chosen, FolderSource(bundle))
    app.state.server.watcher.look()
    with TestClient(app) as client:
        yield client
