"""A small installation for tests: the data stages with real folders, in a temporary place."""

from collections.abc import Callable
from pathlib import Path

from ml.data.deidentify import Deidentifier
from ml.data.image_store import ImageStore
from ml.data.ingest import ingest_shard
from ml.data.landing import discover, source_folder, with_released
from ml.data.manifest import known_fingerprints
from ml.data.plan import plan_batch, read_shard
from ml.data.quarantine import Quarantine
from ml.data.results import (
    BatchDecision,
    BatchPlan,
    BatchResult,
    DatasetInfo,
    IncomingImage,
    ValidationReport,
)
from ml.data.sealed import Seal
from ml.data.shards import merge_shards
from ml.data.storage import Place
from ml.params import DataParams, load_params
from ml.store.database import open_database
from ml.store.exclusive import exclusive

PROJECT = Path(__file__).resolve().parents[3]
KEY = b"a key that only this test holds"
BY = Deidentifier(KEY)
GOOD_ROW: dict[str, object] = {
    "label": "benign",
    "patient": "p",
    "study": "t",
    "site": "s",
    "scanner": "c",
    "width": 200,
    "height": 180,
    "aspect": 1.1,
    "bits_stored": 8,
    "mean": 100.0,
    "std": 40.0,
    "contrast": 150.0,
    "black_share": 0.1,
    "white_share": 0.1,
    "entropy": 7.0,
    "sharpness": 300.0,
    "colourfulness": 0.0,
    "border_share": 0.0,
    "text_lines": 0,
}
"""An image that meets every expectation."""


def small_params(*overrides: str) -> DataParams:
    """The reviewed parameters, with sizes that a small cohort reaches."""
    sizes = ("data.min_images_per_class=4", "data.min_groups_per_class=3")
    return load_params(PROJECT / "params.toml", overrides=(*sizes, *overrides)).data


class DataHome:
    """Where the stages leave their work: a folder, but for what is to lie in `store`."""

    def __init__(
        self, root: Path, params: DataParams | None = None, *, store: Place | None = None
    ) -> None:
        self.root = root
        self.params = params or small_params()
        place = store or root
        self.manifest = place / "manifest"
        self.datasets = place / "datasets"
        self.batches = place / "batches"
        self.docs = root / "docs"
        self.settled_labels: set[str] = set()
        self.store = ImageStore(place / "images")
        self.quarantine = Quarantine(place / "quarantine", Seal(KEY))

    def batch(self, batch_id: str) -> Place:
        return self.batches / batch_id

    def plan(self, source: Place) -> BatchPlan:
        known = known_fingerprints(self.manifest)
        incoming = discover(source, labels=self.params.labels, by=BY, known=known)
        return plan_batch(
            with_released(incoming, self.quarantine.released(), known=known),
            source_folder(source),
            batches=self.batches,
            seal=Seal(KEY),
            shards=self.params.shards,
            shard_images=self.params.shard_images,
            scratch=self.root,
        )

    def planned(self, plan: BatchPlan) -> list[IncomingImage]:
        """All files of a batch, in the plan's order."""
        shards = (
            read_shard(self.batch(plan.batch_id), index, Seal(KEY)) for index in range(plan.shards)
        )
        return [image for shard in shards for image in shard.files]

    def ingest(self, plan: BatchPlan) -> BatchResult:
        for index in range(plan.shards):
            self.ingest_shard(plan, index)
        return merge_shards(plan, batch_folder=self.batch(plan.batch_id))

    def ingest_shard(
        self, plan: BatchPlan, index: int, on_progress: Callable[[int], None] | None = None
    ) -> None:
        ingest_shard(
            plan,
            index,
            batch_folder=self.batch(plan.batch_id),
            store=self.store,
            quarantine=self.quarantine,
            params=self.params,
            pseudonym_key=KEY,
            on_progress=on_progress,
        )

    def validate(
        self, batch_id: str, *, docs: bool = False, decision: BatchDecision | None = None
    ) -> ValidationReport:
        from ml.data.validate import validate_batch

        database = open_database(f"sqlite:///{self.root}/vigie.db")
        with exclusive(database, "store"):
            return validate_batch(
                batch_folder=self.batch(batch_id),
                manifest_folder=self.manifest,
                suites=PROJECT / "expectations",
                params=self.params,
                quarantine=self.quarantine,
                store=self.store,
                seal=Seal(KEY),
                settled_labels=self.settled_labels,
                decision=decision,
                docs_folder=self.docs / batch_id if docs else None,
            )

    def take_in(self, source: Place) -> ValidationReport:
        """Stages 1 and 2."""
        plan = self.plan(source)
        self.ingest(plan)
        return self.validate(plan.batch_id)

    def freeze(self) -> DatasetInfo:
        from ml.data.dataset import freeze_dataset

        return freeze_dataset(
            self.manifest,
            params=self.params,
            datasets_folder=self.datasets,
            suites=PROJECT / "expectations",
        ).info
