"""The manifest: accepted images, as the union of one immutable Parquet file per batch."""

import json
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

_STATISTICS = (
    ("mean", pa.float64()),
    ("std", pa.float64()),
    ("contrast", pa.float64()),
    ("entropy", pa.float64()),
    ("sharpness", pa.float64()),
    ("black_share", pa.float64()),
    ("white_share", pa.float64()),
    ("colourfulness", pa.float64()),
)

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("label", pa.string()),
        ("patient", pa.string()),
        ("site", pa.string()),
        ("scanner", pa.string()),
        ("age", pa.int32()),
        ("sex", pa.string()),
        ("fingerprint", pa.string()),
        ("media_type", pa.string()),
        ("bits_stored", pa.int32()),
        ("file_bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        *_STATISTICS,
        ("phash", pa.uint64()),
        ("descriptor", pa.binary()),
        ("batch_id", pa.string()),
        ("ingested_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""One row an image. `patient` is a keyed pseudonym or null; ages are years; `descriptor` is that of
`ml.data.appearance`, null in rows of batches from before there was one."""

STATISTIC_COLUMNS = ("width", "height", *(name for name, _ in _STATISTICS))

_SETTLED_KEY = b"vigie.settled_fingerprints"


def manifest_files(folder: Path) -> list[Path]:
    """The batches' files, ordered by name."""
    return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def read_manifest(folder: Path, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """All accepted rows, ordered by image id.

    An image that is listed twice counts once, as it first came in.

    Args:
        columns: those to read; all of `SCHEMA` if None.
    """
    wanted = list(columns or SCHEMA.names)
    needed = list(dict.fromkeys([*wanted, "image_id", "ingested_at", "batch_id"]))
    schema = pa.schema([SCHEMA.field(name) for name in needed])
    tables = [read_columns(path, schema) for path in manifest_files(folder)]
    frame = pa.concat_tables([schema.empty_table(), *tables]).to_pandas()
    frame = frame.sort_values(["image_id", "ingested_at", "batch_id"], kind="stable")
    return frame.drop_duplicates("image_id")[wanted].reset_index(drop=True)


def read_columns(path: Path, schema: pa.Schema) -> pa.Table:
    """The schema's columns of a Parquet file; those that it lacks are null."""
    return ds.dataset(path, schema=schema).to_table()


def known_fingerprints(manifest_folder: Path) -> set[str]:
    """Fingerprints of all files of committed batches: accepted, repeated and rejected ones.

    Files of a batch that is held are not among them, so that a held batch comes back whole.
    """
    known: set[str] = set()
    for path in manifest_files(manifest_folder):
        with pq.ParquetFile(path) as file:
            known.update(json.loads((file.schema_arrow.metadata or {}).get(_SETTLED_KEY, b"[]")))
            known.update(file.read(columns=["fingerprint"])["fingerprint"].to_pylist())
    return known


def stored_labels(
    manifest_folder: Path, image_ids: Collection[str], *, except_batch: str
) -> dict[str, str]:
    """Labels of those of the images that other batches brought in before."""
    wanted = pa.array(sorted(image_ids), pa.string())
    labels: dict[str, str] = {}
    for path in manifest_files(manifest_folder):
        if path.stem == except_batch:
            continue
        table = pq.read_table(path, columns=["image_id", "label"])
        table = table.filter(pc.is_in(table["image_id"], wanted))
        labels.update(zip(table["image_id"].to_pylist(), table["label"].to_pylist(), strict=True))
    return labels


def commit_rows(
    manifest_folder: Path, batch_id: str, rows: pa.Table, *, settled: Sequence[str]
) -> Path:
    """Add a batch's accepted rows, atomically.

    Args:
        rows: follows `SCHEMA`.
        settled: fingerprints of the batch's other files, which are not to come back.
    """
    table = rows.select(SCHEMA.names).cast(SCHEMA)
    table = table.replace_schema_metadata({_SETTLED_KEY: json.dumps(sorted(settled))})
    path = manifest_folder / f"{batch_id}.parquet"
    write_parquet(table, path)
    return path


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table under a temporary name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, partial)
        partial.replace(path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
