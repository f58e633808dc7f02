"""The plan of a batch: its files in sealed shards, and a head that says how many there are."""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from ml.contract.errors import NotFound
from ml.data.results import BatchPlan, IncomingImage, Shard
from ml.data.sealed import Seal
from ml.data.storage import PRIVATE_FILE, Place, write_bytes

PLAN_FILE = "plan.json"
_SHARDS_FOLDER = "plan"
# Airflow maps a task at most 1,024 times unless it is told otherwise.
_MOST_SHARDS = 1000


def plan_batch(
    incoming: Iterable[IncomingImage],
    source: Place,
    *,
    batches: Place,
    seal: Seal,
    shards: int,
    shard_images: int,
    scratch: Path,
) -> BatchPlan:
    """Cut files into shards of equal length and keep them, sealed, under `batches/<batch id>`.

    The id follows from the files, so the same files are the same batch, and one that was planned
    before stays as it is. Files are read once and never all in memory.

    Args:
        source: the folder that the files' paths are relative to.
        shards: the least number, where there are as many files.
        shard_images: the most files in a shard, up to 1,000 shards; beyond, shards grow.
        scratch: a local folder for an unnamed temporary file.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    digest, images = hashlib.sha256(), 0
    # It has no name, so nothing of it is left by a killed process.
    with tempfile.TemporaryFile(dir=scratch) as spool:
        for image in incoming:
            digest.update(image.fingerprint.encode() + b"\n")
            spool.write(image.model_dump_json().encode() + b"\n")
            images += 1
        folder = batches / digest.hexdigest()[:16]
        if (folder / PLAN_FILE).is_file():
            return read_plan(folder)
        spool.seek(0)
        count = number_of_shards(images, shards, shard_images)
        for index in range(count):
            length = images * (index + 1) // count - images * index // count
            files = b"[" + b",".join(islice(spool, length)) + b"]"
            content = b'{"source":%b,"files":%b}' % (json.dumps(str(source)).encode(), files)
            write_bytes(_shard_file(folder, index), seal.close(content), mode=PRIVATE_FILE)
    plan = BatchPlan(
        batch_id=folder.name, images=images, shards=count, planned_at=datetime.now(UTC)
    )
    write_bytes(folder / PLAN_FILE, plan.model_dump_json(indent=2).encode())
    return plan


def number_of_shards(images: int, least: int, shard_images: int) -> int:
    """As `plan_batch` says."""
    needed = -(-images // shard_images)
    return max(1, min(images, max(least, min(needed, _MOST_SHARDS))))


def read_plan(batch_folder: Place) -> BatchPlan:
    """The head of a batch's plan.

    Raises:
        NotFound: there is no such batch.
    """
    try:
        return BatchPlan.model_validate_json((batch_folder / PLAN_FILE).read_bytes())
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no batch {batch_folder.name!r}.", remedy="Plan it with `vigie ingest`."
        ) from error


def read_shard(batch_folder: Place, index: int, seal: Seal) -> Shard:
    """The files of one shard, in the plan's order.

    Raises:
        NotFound: the plan has no such shard.
        SealBroken: another key sealed it.
    """
    try:
        sealed = _shard_file(batch_folder, index).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            f"Batch {batch_folder.name} has no shard {index}.", remedy="Plan it again."
        ) from error
    return Shard.model_validate_json(seal.open(sealed))


def _shard_file(batch_folder: Place, index: int) -> Place:
    return batch_folder / _SHARDS_FOLDER / f"shard-{index:05d}"
