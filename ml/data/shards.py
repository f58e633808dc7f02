"""Ingested shards: a Parquet file each, with the files that could not be read; their merge."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract.errors import NotFound
from ml.data.manifest import SCHEMA
from ml.data.results import BatchPlan, BatchResult, ShardResult
from ml.data.storage import Place, replacing
from ml.data.tables import parquet_source

ROWS_FILE = "rows.parquet"
_ROW_GROUP, _MERGED_ROWS = 256, 1024
_REJECTED_KEY = b"vigie.rejected"


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file that could not be read: its fingerprint, and the code of what is wrong."""

    fingerprint: str
    code: str


def shard_file(batch_folder: Place, index: int) -> Place:
    """Where a shard's rows are or would be."""
    return batch_folder / f"shard-{index:05d}.parquet"


def write_shard(
    target: Place, rows: Iterable[dict[str, object]], rejected: Sequence[RejectedFile]
) -> None:
    """Write rows as they come, a few hundred in memory.

    Args:
        rejected: read once `rows` is used up.
    """
    with replacing(target) as file, pq.ParquetWriter(file, SCHEMA) as writer:
        group: list[dict[str, object]] = []
        for row in rows:
            group.append(row)
            if len(group) == _ROW_GROUP:
                writer.write_table(pa.Table.from_pylist(group, SCHEMA))
                group = []
        writer.write_table(pa.Table.from_pylist(group, SCHEMA))
        writer.add_key_value_metadata(_note(rejected))


def read_shard_result(path: Place, index: int) -> ShardResult:
    """How many rows and rejects a shard has."""
    accepted = pq.read_metadata(parquet_source(path)).num_rows
    return ShardResult(index=index, accepted=accepted, rejected=len(read_rejected(path)))


def read_rejected(path: Place) -> list[RejectedFile]:
    """The unreadable files noted in a shard's or a batch's rows."""
    metadata = pq.read_metadata(parquet_source(path)).metadata or {}
    return [RejectedFile(*item) for item in json.loads(metadata[_REJECTED_KEY])]


def merge_shards(plan: BatchPlan, *, batch_folder: Place) -> BatchResult:
    """Join the shards, in the plan's order, into `batch_folder/rows.parquet`.

    Raises:
        NotFound: a shard has not been ingested.
    """
    shards = [shard_file(batch_folder, index) for index in range(plan.shards)]
    missing = [path.stem for path in shards if not path.is_file()]
    if missing:
        raise NotFound(
            f"Batch {plan.batch_id} lacks {', '.join(missing)}.", remedy="Ingest these shards."
        )
    rejected: list[RejectedFile] = []
    rows = 0
    target = batch_folder / ROWS_FILE
    with replacing(target) as output, pq.ParquetWriter(output, SCHEMA) as writer:
        for path in shards:
            rejected += read_rejected(path)
            with pq.ParquetFile(parquet_source(path)) as file:
                for batch in file.iter_batches(_MERGED_ROWS, use_threads=False):
                    writer.write_batch(batch)
                    rows += batch.num_rows
        writer.add_key_value_metadata(_note(rejected))
    return BatchResult(batch_id=plan.batch_id, rows=rows, rejected=len(rejected))


def _note(rejected: Iterable[RejectedFile]) -> dict[bytes, bytes]:
    text = json.dumps([[item.fingerprint, item.code] for item in rejected])
    return {_REJECTED_KEY: text.encode()}
