"""Stage 1: files → stored pixels and measured rows, one image in memory at a time."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.errors import ImageTooLarge, InputError, NotFound
from ml.contract.quality import measure
from ml.data.appearance import appearance
from ml.data.deidentify import Person, pseudonym, read_person
from ml.data.image_store import ImageStore
from ml.data.manifest import SCHEMA
from ml.data.quarantine import Quarantine
from ml.data.results import BatchPlan, BatchResult, IncomingImage, ShardResult
from ml.params import DataParams

logger = logging.getLogger(__name__)

ROWS_FILE = "rows.parquet"
_ROW_GROUP = 256
_REJECTED_KEY = b"vigie.rejected"
_NOBODY = Person(patient_id=None, age=None, sex=None, scanner=None)


class MissingFile(InputError):
    """A listed file is not there, or not inside its delivery."""

    code = "missing-file"


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file that could not be read: its fingerprint, and the code of what is wrong."""

    fingerprint: str
    code: str


def ingest_shard(
    plan: BatchPlan,
    index: int,
    *,
    batch_folder: Path,
    store: ImageStore,
    quarantine: Quarantine,
    params: DataParams,
    pseudonym_key: bytes,
    on_progress: Callable[[int], None] | None = None,
) -> ShardResult:
    """Ingest one shard of a planned batch into `batch_folder/shard-<index>.parquet`.

    Unreadable files go to quarantine and the run goes on. A shard that is already there is not
    ingested again.

    Args:
        pseudonym_key: secret key of patient pseudonyms.
        on_progress: called with 1 after each file.
    """
    target = _shard_file(batch_folder, index)
    if target.is_file():
        return _shard_result(target, index)
    batch_folder.mkdir(parents=True, exist_ok=True)
    rejected: list[RejectedFile] = []
    source = Path(plan.source)

    def rows() -> Iterator[dict[str, object]]:
        for image in plan.shards[index]:
            data: bytes | None = None
            try:
                data = _read(source, image.path, params.limits)
                yield _row(data, image, store, params.limits, plan.batch_id, pseudonym_key)
            except InputError as error:
                rejected.append(RejectedFile(image.fingerprint, error.code))
                quarantine.add(
                    data,
                    reasons=[error.message],
                    code=error.code,
                    label=image.label,
                    batch_id=plan.batch_id,
                    identity=image.fingerprint,
                )
            if on_progress is not None:
                on_progress(1)

    _write_rows(target, rows(), rejected)
    result = _shard_result(target, index)
    logger.info("Shard %d: %d images read, %d rejected.", index, result.accepted, result.rejected)
    return result


def merge_shards(plan: BatchPlan, *, batch_folder: Path) -> BatchResult:
    """Join the shards, in the plan's order, into `batch_folder/rows.parquet`.

    Raises:
        NotFound: a shard has not been ingested.
    """
    shards = [_shard_file(batch_folder, index) for index in range(len(plan.shards))]
    missing = [path.stem for path in shards if not path.is_file()]
    if missing:
        raise NotFound(
            f"Batch {plan.batch_id} lacks {', '.join(missing)}.", remedy="Ingest these shards."
        )
    rejected = [item for path in shards for item in read_rejected(path)]
    target = batch_folder / ROWS_FILE
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    with pq.ParquetWriter(partial, SCHEMA) as writer:
        for path in shards:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    writer.write_batch(batch)
        writer.add_key_value_metadata(_note(rejected))
    partial.replace(target)
    rows = pq.read_metadata(target).num_rows
    logger.info("Batch %s: %d images, %d unreadable.", plan.batch_id, rows, len(rejected))
    return BatchResult(batch_id=plan.batch_id, rows=rows, rejected=len(rejected))


def read_rejected(path: Path) -> list[RejectedFile]:
    """The unreadable files noted in a shard's or a batch's rows."""
    metadata = pq.read_metadata(path).metadata or {}
    return [RejectedFile(*item) for item in json.loads(metadata[_REJECTED_KEY])]


def _read(source: Path, name: str, limits: DecodeLimits) -> bytes:
    """A file's bytes, at most one more than the limit so that decoding refuses it."""
    path = source / name
    if ".." in Path(name).parts or Path(name).is_absolute() or not path.is_file():
        raise MissingFile("The listed file is missing.", remedy="Deliver it, or correct the list.")
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise ImageTooLarge(f"The file has {size:,} bytes; the limit is {limits.max_bytes:,}.")
    with path.open("rb") as file:
        return file.read(limits.max_bytes + 1)


def _row(
    data: bytes,
    image: IncomingImage,
    store: ImageStore,
    limits: DecodeLimits,
    batch_id: str,
    key: bytes,
) -> dict[str, object]:
    decoded = decode(data, limits)
    looks = appearance(decoded.pixels)
    header = read_person(data) if decoded.media_type == "application/dicom" else _NOBODY
    patient_id = image.patient_id or header.patient_id
    return {
        "image_id": store.put(decoded.pixels),
        "label": image.label,
        "patient": pseudonym(patient_id, key) if patient_id else None,
        "site": image.site,
        "scanner": image.scanner or header.scanner,
        "age": image.age if image.age is not None else header.age,
        "sex": image.sex or header.sex,
        "fingerprint": image.fingerprint,
        "media_type": decoded.media_type,
        "bits_stored": decoded.bits_stored,
        "file_bytes": len(data),
        **measure(decoded.pixels).model_dump(),
        "phash": looks.phash,
        "descriptor": looks.descriptor,
        "batch_id": batch_id,
        "ingested_at": datetime.now(UTC),
    }


def _write_rows(
    target: Path, rows: Iterator[dict[str, object]], rejected: list[RejectedFile]
) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with pq.ParquetWriter(partial, SCHEMA) as writer:
            group: list[dict[str, object]] = []
            for row in rows:
                group.append(row)
                if len(group) == _ROW_GROUP:
                    writer.write_table(pa.Table.from_pylist(group, SCHEMA))
                    group = []
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))
            writer.add_key_value_metadata(_note(rejected))
        partial.replace(target)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _note(rejected: list[RejectedFile]) -> dict[bytes, bytes]:
    text = json.dumps([[item.fingerprint, item.code] for item in rejected])
    return {_REJECTED_KEY: text.encode()}


def _shard_file(batch_folder: Path, index: int) -> Path:
    return batch_folder / f"shard-{index}.parquet"


def _shard_result(path: Path, index: int) -> ShardResult:
    accepted = pq.read_metadata(path).num_rows
    return ShardResult(index=index, accepted=accepted, rejected=len(read_rejected(path)))
