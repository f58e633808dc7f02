"""Stage 1, ingest: the landing zone's new files become stored images and manifest rows."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from ml.data.results import BatchPlan, BatchResult, ShardResult
from ml.data.storage import Place, reaching
from ml.journey.quarantine import quarantine_of
from ml.journey.workspace import Workspace
from ml.params import Params

log = logging.getLogger(__name__)


def plan(workspace: Workspace, params: Params, source: Place | None = None) -> BatchPlan:
    """List what is new in the landing zone (or `source`) or released from quarantine, in shards.

    Raises:
        NothingToIngest: no new file.
        Unavailable: a bucket does not answer.
    """
    from ml.data.deidentify import Deidentifier
    from ml.data.landing import discover, source_folder, with_released
    from ml.data.manifest import known_fingerprints
    from ml.data.plan import plan_batch
    from ml.data.sealed import Seal

    landing, key = source or workspace.landing, workspace.pseudonym_key()
    with reaching():
        known = known_fingerprints(workspace.manifest)
        incoming = discover(landing, labels=params.data.labels, by=Deidentifier(key), known=known)
        released = quarantine_of(workspace).released()
        batch = plan_batch(
            with_released(incoming, released, known=known),
            source_folder(landing),
            batches=workspace.batches,
            seal=Seal(key),
            shards=params.data.shards,
            shard_images=params.data.shard_images,
            scratch=workspace.home,
        )
    log.info("Batch %s: %d new files in %d shards.", batch.batch_id, batch.images, batch.shards)
    return batch


def ingest_shard(
    workspace: Workspace,
    params: Params,
    batch_id: str,
    index: int,
    on_progress: Callable[[int], None] | None = None,
) -> ShardResult:
    """Decode, de-identify, measure and store one shard's images.

    Raises:
        NotFound: no such batch or shard was planned.
        Unavailable: a bucket does not answer.
    """
    from ml.data.image_store import ImageStore
    from ml.data.ingest import ingest_shard as ingest
    from ml.data.plan import read_plan

    folder = workspace.batch(batch_id)
    with reaching():
        result = ingest(
            read_plan(folder),
            index,
            batch_folder=folder,
            store=ImageStore(workspace.images),
            quarantine=quarantine_of(workspace),
            params=params.data,
            pseudonym_key=workspace.pseudonym_key(),
            on_progress=on_progress,
        )
    log.info("Shard %d: %d stored, %d rejected.", index, result.accepted, result.rejected)
    return result


def ingest_shards(
    workspace: Workspace,
    params: Params,
    batch: BatchPlan,
    *,
    workers: int,
    on_progress: Callable[[int], None],
) -> None:
    """Ingest all shards, so many at a time, in threads: decoding and writing let others run.

    Raises:
        NotFound, Unavailable: as `ingest_shard`; the other shards stop, too.
    """
    stopped = Event()

    def step(files: int) -> None:
        if stopped.is_set():
            raise InterruptedError
        on_progress(files)

    def one(index: int) -> None:
        ingest_shard(workspace, params, batch.batch_id, index, on_progress=step)

    with ThreadPoolExecutor(min(workers, batch.shards)) as pool:
        try:
            for _ in pool.map(one, range(batch.shards)):
                pass
        except BaseException:
            stopped.set()
            raise


def merge(workspace: Workspace, batch_id: str) -> BatchResult:
    """Join the shards' rows into the batch's rows.

    Raises:
        NotFound: no such batch was planned, or a shard is missing.
        Unavailable: a bucket does not answer.
    """
    from ml.data.plan import read_plan
    from ml.data.shards import merge_shards

    folder = workspace.batch(batch_id)
    with reaching():
        result = merge_shards(read_plan(folder), batch_folder=folder)
    log.info("Batch %s: %d images, %d unreadable.", batch_id, result.rows, result.rejected)
    return result
