"""A small installation for tests: the data stages with real folders, in a temporary place."""

from pathlib import Path

from ml.data.image_store import ImageStore
from ml.data.ingest import ingest_shard, merge_shards
from ml.data.landing import discover, plan_batch
from ml.data.manifest import known_fingerprints
from ml.data.quarantine import Quarantine
from ml.data.results import BatchPlan, BatchResult, DatasetInfo, ValidationReport
from ml.params import DataParams, load_params

PROJECT = Path(__file__).resolve().parents[3]
KEY = b"a key that only this test holds"
GOOD_ROW: dict[str, object] = {
    "label": "benign",
    "patient": "p",
    "site": "s",
    "scanner": "c",
    "width": 200,
    "height": 180,
    "std": 40.0,
    "black_share": 0.1,
    "white_share": 0.1,
    "entropy": 7.0,
    "colourfulness": 0.0,
    "rejected": 0,
    "unreadable": 0,
    "repeated": 0,
}
"""A manifest row that meets every expectation."""


def small_params(*overrides: str) -> DataParams:
    """The reviewed parameters, with sizes that a small cohort reaches."""
    sizes = ("data.min_images_per_class=4", "data.min_groups_per_class=3")
    return load_params(PROJECT / "params.toml", overrides=(*sizes, *overrides)).data


class DataHome:
    """Where the stages leave their work."""

    def __init__(self, root: Path, params: DataParams | None = None) -> None:
        self.root = root
        self.params = params or small_params()
        self.manifest = root / "manifest"
        self.datasets = root / "datasets"
        self.docs = root / "docs"
        self.store = ImageStore(root / "images")
        self.quarantine = Quarantine(root / "quarantine")

    def batch(self, batch_id: str) -> Path:
        return self.root / "batches" / batch_id

    def plan(self, source: Path) -> BatchPlan:
        known = known_fingerprints(self.manifest)
        incoming = discover(source, labels=self.params.labels, known=known)
        return plan_batch(source, incoming, shards=self.params.shards)

    def ingest(self, plan: BatchPlan) -> BatchResult:
        for index in range(len(plan.shards)):
            self.ingest_shard(plan, index)
        return merge_shards(plan, batch_folder=self.batch(plan.batch_id))

    def ingest_shard(self, plan: BatchPlan, index: int) -> None:
        ingest_shard(
            plan,
            index,
            batch_folder=self.batch(plan.batch_id),
            store=self.store,
            quarantine=self.quarantine,
            params=self.params,
            pseudonym_key=KEY,
        )

    def validate(self, batch_id: str, *, docs: bool = False) -> ValidationReport:
        from ml.data.validate import validate_batch

        return validate_batch(
            batch_folder=self.batch(batch_id),
            manifest_folder=self.manifest,
            suites=PROJECT / "expectations",
            params=self.params,
            quarantine=self.quarantine,
            store=self.store,
            docs_folder=self.docs / batch_id if docs else None,
        )

    def take_in(self, source: Path) -> ValidationReport:
        """Stages 1 and 2."""
        plan = self.plan(source)
        self.ingest(plan)
        return self.validate(plan.batch_id)

    def freeze(self) -> DatasetInfo:
        from ml.data.dataset import freeze_dataset

        return freeze_dataset(self.manifest, params=self.params, datasets_folder=self.datasets)
