"""The platform of the burst: two replicas behind the deployed proxy's configuration, a PostgreSQL,
an MLflow registry. Every part is a real process that can be killed and started again."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ml.registry.models import register_bundle
from ml.registry.promotion import promote, rollback
from ml.registry.tracking import Tracker
from ml.store import ledger
from ml.store.database import open_database
from ml.store.migrate import migrate
from tests.deploy.local_proxy import CADDY, CADDYFILE, on_this_machine
from tests.fakes.postgres_process import PostgresProcess
from tests.serving.registry_process import RegistryProcess
from tests.serving.server_process import ServerProcess
from tests.unit.stack.conftest import free_port

REPLICAS = 2
_START_SECONDS = 180.0


@dataclass
class BurstPlatform:
    """`url` is the proxy's; the replicas share `home`, and with it one log of answers."""

    url: str
    home: Path
    replicas: list[ServerProcess]
    postgres: PostgresProcess
    registry: RegistryProcess

    def register_and_promote(self, bundle: Path, run_key: str, incumbent: str | None) -> str:
        """Make this bundle production, as the pipeline does after its gates; return its version."""
        tracker = Tracker(self.registry.url)
        run_id = tracker.open_run("burst", run_key, name=run_key)
        version = register_bundle(tracker, run_id, bundle, run_key)
        database = open_database(self.postgres.url)
        ledger.append(
            database,
            actor="burst",
            action="register",
            subject=f"{version.name}/{version.version}",
            reason="burst",
            evidence={"bundle_sha256": version.bundle_sha256},
        )
        promote(
            tracker,
            database,
            version,
            incumbent=incumbent,
            actor="burst",
            reason="burst",
            evidence={},
        )
        database.dispose()
        return version.version

    def roll_back(self, version: str) -> str:
        """Put back what was production before this version, as `vigie rollback`; return it."""
        tracker, database = Tracker(self.registry.url), open_database(self.postgres.url)
        back = rollback(tracker, database, expected=version, actor="burst", reason="burst")
        database.dispose()
        return back.version

    def versions(self) -> set[str]:
        """What the replicas answer with now."""
        return {
            httpx.get(f"{replica.url}/model", timeout=30).json()["version"]
            for replica in self.replicas
        }


@contextmanager
def burst_platform(folder: Path, first: Path, *, workers: int) -> Iterator[BurstPlatform]:
    """Start it all with the bundle `first` in production; end it all."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresProcess())
        database = open_database(postgres.url)
        migrate(database)
        database.dispose()
        registry = stack.enter_context(RegistryProcess(folder))
        ports = [free_port() for _ in range(REPLICAS + 4)]
        environment = {
            "VIGIE_HOME": str(home),
            "VIGIE_DATABASE_URL": postgres.url,
            "MLFLOW_TRACKING_URI": registry.url,
            "VIGIE_ENGINE": "onnxruntime",
            "VIGIE_WORKERS": str(workers),
            "VIGIE_POLL_SECONDS": "1",
        }
        replicas = [
            ServerProcess(folder / f"replica-{port}", "--port", str(port), environment=environment)
            for port in ports[:REPLICAS]
        ]
        local = folder / "Caddyfile"
        local.write_text(on_this_machine(CADDYFILE.read_text(), ports, folder))
        platform = BurstPlatform(
            f"http://127.0.0.1:{ports[REPLICAS]}", home, replicas, postgres, registry
        )
        platform.register_and_promote(first, "first", None)
        for replica in replicas:
            stack.enter_context(replica)
        for replica in replicas:
            wait_until_ready(replica.url)
        stack.enter_context(_proxy(local, folder))
        wait_until_ready(platform.url)
        yield platform


@contextmanager
def _proxy(configuration: Path, folder: Path) -> Iterator[None]:
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [str(CADDY), "run", "--config", str(configuration), "--adapter", "caddyfile"],
            env={
                **os.environ,
                "HOME": str(folder),
                "OPERATOR": "operator",
                # Of no password: what stands behind the login is not asked here.
                "OPERATOR_PASSWORD_HASH": "$2a$06$" + "." * 53,
            },
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(url: str) -> None:
    """Return once the server there can answer images."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health/ready", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"{url} is not ready")
        time.sleep(0.2)
