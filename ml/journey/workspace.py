"""Where one installation keeps its state, as plain paths and addresses."""

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from ml.data.storage import Place


@dataclass(frozen=True, slots=True)
class Workspace:
    """`home` holds all state; the other fields say where the parts live that may be elsewhere.

    `landing` and `store` may lie in a bucket, and datasets lie beside the store.
    `artifact_root` is where MLflow keeps artifacts; empty leaves that to the MLflow server.
    `pseudonym_key_file` holds the key of patient pseudonyms; it is made on first use.
    """

    home: Path
    landing: Place
    store: Place
    expectations: Path
    database_url: str
    tracking_uri: str
    artifact_root: str
    pseudonym_key_file: Path

    @classmethod
    def at(cls, home: Path, *, expectations: Path) -> "Workspace":
        """Everything under one folder, with SQLite: what a laptop and a test need."""
        home = home.resolve()
        return cls(
            home=home,
            landing=home / "landing",
            store=home / "store",
            expectations=expectations,
            database_url=f"sqlite:///{home}/vigie.db",
            tracking_uri=f"sqlite:///{home}/mlflow/mlflow.db",
            artifact_root=(home / "mlflow" / "artifacts").as_uri(),
            pseudonym_key_file=home / "secrets" / "pseudonym.key",
        )

    @property
    def images(self) -> Place:
        return self.store / "images"

    @property
    def manifest(self) -> Place:
        return self.store / "manifest"

    @property
    def quarantine(self) -> Place:
        return self.store / "quarantine"

    @property
    def batches(self) -> Place:
        return self.store / "batches"

    @property
    def datasets(self) -> Place:
        return self.store.parent / "datasets"

    @property
    def archived_predictions(self) -> Place:
        """Answers that are no longer in the database, a day in a file."""
        return self.store.parent / "archive" / "predictions"

    @property
    def grids(self) -> Path:
        return self.home / "cache" / "grids"

    @property
    def features(self) -> Path:
        return self.home / "cache" / "features"

    @property
    def bundles(self) -> Path:
        """Bundles fetched from the registry, by their sha256."""
        return self.home / "cache" / "bundles"

    @property
    def drift_reports(self) -> Path:
        return self.home / "reports" / "drift"

    @property
    def signing_key_file(self) -> Path:
        """The private key that signs archives of evidence; made on first use."""
        return self.pseudonym_key_file.with_name("signing.key")

    def pacs_place(self, what: str) -> Path:
        """Up to where the picture archive was looked at."""
        return self.home / "pacs" / f"{what}.json"

    def batch(self, batch_id: str) -> Place:
        return self.batches / batch_id

    def validation_docs(self, batch_id: str) -> Path:
        return self.home / "docs" / "validation" / batch_id

    @property
    def manifest_docs(self) -> Path:
        return self.home / "docs" / "manifest"

    @property
    def dataset_docs(self) -> Path:
        """Pages of each dataset's expectations, by its id."""
        return self.home / "docs" / "dataset"

    def run(self, run_key: str) -> Path:
        return self.home / "runs" / run_key

    def pseudonym_key(self) -> bytes:
        """The key, made on first use; two first users agree because only one link succeeds."""
        path = self.pseudonym_key_file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            candidate = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            candidate.touch(mode=0o600)
            candidate.write_bytes(secrets.token_bytes(32))
            with contextlib.suppress(FileExistsError):  # another process's key is the key
                path.hardlink_to(candidate)
            candidate.unlink()
        return path.read_bytes()
