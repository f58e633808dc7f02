"""How often a test split has judged, as the ledger tells: one use per candidate, not per try."""

from ml.contract.errors import NotFound
from ml.contract.records import LedgerEntry
from ml.evaluation.gate_results import SplitWear
from ml.journey.run import Run, database_of
from ml.journey.workspace import Workspace


def wear_of(workspace: Workspace, run: Run, bundle_sha256: str) -> SplitWear:
    """The wear of the run's test split, with the judgement of this bundle included.

    A candidate is a run and its bundle: judging it again is the same use as the first time. Gate
    decisions on other datasets count where half of these test images were in theirs; a dataset
    that is gone counts as well, since nobody can say that it was another.
    """
    from ml.evaluation.wear import is_worn_by, split_digest
    from ml.store import ledger

    images = _test_images(workspace, run.info.dataset_id)
    digest = split_digest(images)
    same: dict[str, bool] = {}
    earlier: dict[tuple[str, str], None] = {}
    for entry in ledger.read(database_of(workspace)):
        if entry.action != "gate" or "test_split" not in entry.evidence:
            continue
        candidate = (entry.subject, str(entry.evidence["bundle_sha256"]))
        if candidate == (run.info.run_key, bundle_sha256):
            break
        split = str(entry.evidence["test_split"])
        if split not in same:
            others = _images_of(workspace, entry)
            same[split] = split == digest or others is None or is_worn_by(images, others)
        if same[split]:
            earlier[candidate] = None
    return SplitWear(
        test_split=digest, use=len(earlier) + 1, earlier=[run_key for run_key, _ in earlier]
    )


def _images_of(workspace: Workspace, entry: LedgerEntry) -> set[str] | None:
    try:
        return _test_images(workspace, str(entry.evidence["dataset_id"]))
    except NotFound:
        return None


def _test_images(workspace: Workspace, dataset_id: str) -> set[str]:
    from ml.data.dataset import load_dataset

    frame = load_dataset(workspace.datasets, dataset_id)
    return set(frame.loc[frame["split"] == "test", "image_id"])
