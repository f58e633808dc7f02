"""What a person means who does not name a batch or a run: the newest."""

from ml.contract.errors import NotFound
from ml.data.storage import Place, found
from ml.journey.workspace import Workspace


def newest_batch(workspace: Workspace) -> str:
    """The batch planned last.

    Raises:
        NotFound: none yet.
    """
    return _newest(workspace.batches, "plan.json", "batch", "Run `vigie ingest DIR` first.")


def newest_run(workspace: Workspace) -> str:
    """The run started last.

    Raises:
        NotFound: none yet.
    """
    return _newest(workspace.run(""), "run.json", "run", "Run `vigie train` first.")


def newest_dataset(workspace: Workspace) -> str:
    """The dataset frozen last.

    Raises:
        NotFound: none yet.
    """
    return _newest(workspace.datasets, "dataset.json", "dataset", "Run `vigie ingest DIR` first.")


def _newest(folder: Place, record: str, what: str, remedy: str) -> str:
    records = sorted(found(folder, f"*/{record}"), key=lambda path: path.stat().st_mtime)
    if not records:
        raise NotFound(f"There is no {what} yet.", remedy=remedy)
    return records[-1].parent.name
