from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ml.registry.models import register_bundle
from ml.registry.results import RegisteredVersion
from ml.registry.tracking import Tracker
from ml.store.database import open_database
from ml.store.migrate import migrate
from tests.fakes.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="session")
def migrated_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: its migrations take seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    Tracker(f"sqlite:///{folder}/mlflow.db").open_run("warm-up", "warm-up", name="warm-up")
    return folder / "mlflow.db"


@pytest.fixture
def tracker(tmp_path: Path, migrated_mlflow: Path) -> Tracker:
    (tmp_path / "mlflow.db").write_bytes(migrated_mlflow.read_bytes())
    return Tracker(f"sqlite:///{tmp_path}/mlflow.db", (tmp_path / "artifacts").as_uri())


@pytest.fixture
def database(tmp_path: Path) -> Engine:
    engine = open_database(f"sqlite:///{tmp_path}/vigie.db")
    migrate(engine)
    return engine


@pytest.fixture
def register(tracker: Tracker, tmp_path: Path) -> Callable[[str], RegisteredVersion]:
    def register_run(key: str) -> RegisteredVersion:
        run_id = tracker.open_run("vigie-train", key, name=key)
        bundle = write_tiny_bundle(tmp_path / key, run_key=key)
        return register_bundle(tracker, run_id, bundle, key)

    return register_run
