"""Stage 1, ingest: the landing zone's new files become stored images and manifest rows."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from ml.contract.errors import NotFound
from ml.data.results import BatchPlan, BatchResult, ShardResult
from ml.journey.run import write_json
from ml.journey.workspace import Workspace
from ml.params import Params

log = logging.getLogger(__name__)
_PLAN = "plan.json"


def plan(workspace: Workspace, params: Params, source: Path | None = None) -> BatchPlan:
    """List what is new in the landing zone (or `source`) and cut it into shards.

    Raises:
        NothingToIngest: no new file.
    """
    from ml.data.landing import discover, plan_batch
    from ml.data.manifest import known_fingerprints

    folder = (source or workspace.landing).resolve()
    known = known_fingerprints(workspace.manifest)
    incoming = discover(folder, labels=params.data.labels, known=known)
    batch = plan_batch(folder, incoming, shards=params.data.shards)
    # The plan still names patients: only the pipeline's own user may read it.
    write_json(workspace.batch(batch.batch_id) / _PLAN, batch.model_dump(mode="json"), mode=0o600)
    log.info(
        "Batch %s: %d new files in %d shards.", batch.batch_id, len(incoming), len(batch.shards)
    )
    return batch


def ingest_shard(
    workspace: Workspace,
    params: Params,
    batch_id: str,
    index: int,
    on_progress: Callable[[int], None] | None = None,
) -> ShardResult:
    """Decode, de-identify, measure and store one shard's images."""
    from ml.data.image_store import ImageStore
    from ml.data.ingest import ingest_shard as ingest
    from ml.data.quarantine import Quarantine

    result = ingest(
        _read_plan(workspace, batch_id),
        index,
        batch_folder=workspace.batch(batch_id),
        store=ImageStore(workspace.images),
        quarantine=Quarantine(workspace.quarantine),
        params=params.data,
        pseudonym_key=workspace.pseudonym_key(),
        on_progress=on_progress,
    )
    log.info("Shard %d: %d stored, %d rejected.", index, result.accepted, result.rejected)
    return result


def merge(workspace: Workspace, batch_id: str) -> BatchResult:
    """Join the shards' rows into the batch's rows."""
    from ml.data.ingest import merge_shards

    batch_plan = _read_plan(workspace, batch_id)
    return merge_shards(batch_plan, batch_folder=workspace.batch(batch_id))


def _read_plan(workspace: Workspace, batch_id: str) -> BatchPlan:
    path = workspace.batch(batch_id) / _PLAN
    if not path.is_file():
        raise NotFound(f"There is no batch {batch_id!r}.", remedy="Plan it with `vigie ingest`.")
    return BatchPlan.model_validate(json.loads(path.read_text()))
