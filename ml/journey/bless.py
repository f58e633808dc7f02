"""Stage 8, bless: the real server starts on the candidate and must answer as it did offline.

Then it is rolled back to what is in production, and forth again.
"""

import logging
import shutil
from typing import TYPE_CHECKING

from ml.contract.bundle import BUNDLE_FILE, bundle_sha256
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.session import ModelSession
from ml.journey.incumbent import incumbent_bundle
from ml.journey.run import Run, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.packaging.results import Blessing

if TYPE_CHECKING:
    from ml.packaging.rollback_drill import Incumbent

log = logging.getLogger(__name__)
_REPLAYED_IMAGES = 12


def bless(workspace: Workspace, run_key: str) -> Blessing:
    """Start a server process on the run's bundle, replay images and hostile requests, stop it."""
    import numpy as np

    from ml.data.image_store import ImageStore
    from ml.packaging.bless import bless as bless_bundle

    run = Run.open(workspace, run_key)
    frame = run.frame(workspace)
    validation = frame[frame["split"] == "validation"].head(_REPLAYED_IMAGES)
    store = ImageStore(workspace.images)
    image_ids = list(validation["image_id"])
    expected = tried = None
    if (run.bundle / BUNDLE_FILE).is_file():
        tried = bundle_sha256(run.bundle)
        session = ModelSession.open(run.bundle)
        spec = session.bundle.input
        inputs = to_input(np.stack([to_grid(store.load(item), spec) for item in image_ids]))
        expected = session.run_in_batches(inputs).probabilities
    work = run.folder / "blessing"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    blessing = bless_bundle(
        run.bundle,
        images=[store.png(item) for item in image_ids],
        expected=expected,
        limits=run.params.gates,
        work_folder=work,
        incumbent=_incumbent(workspace, run),
    ).model_copy(update={"bundle_sha256": tried})
    shutil.rmtree(work, ignore_errors=True)
    write_json(run.blessing, blessing.model_dump(mode="json"))
    tracker_of(workspace).log(
        run.info.mlflow_run_id,
        metrics={
            "blessing.load_seconds": blessing.load_seconds,
            "blessing.p99_ms": blessing.p99_ms,
            "blessing.rss_mb": blessing.rss_mb,
            **(
                {
                    "blessing.rollback_seconds": blessing.rollback.back_seconds,
                    "blessing.return_seconds": blessing.rollback.forth_seconds,
                }
                if blessing.rollback
                else {}
            ),
        },
        tags={"vigie.blessing": "passed" if blessing.passed else "failed"},
    )
    log.info(
        "Blessing %s: loads in %.1f s, p99 %.0f ms, %.0f MB.%s",
        "passed" if blessing.passed else "FAILED",
        blessing.load_seconds,
        blessing.p99_ms,
        blessing.rss_mb,
        "" if blessing.passed else " " + "; ".join(blessing.failures),
    )
    return blessing


def _incumbent(workspace: Workspace, run: Run) -> "Incumbent | None":
    from ml.packaging.rollback_drill import Incumbent

    bundle = incumbent_bundle(workspace, run)
    return Incumbent(run.info.incumbent_version or "", bundle) if bundle else None
