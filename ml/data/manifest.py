"""The manifest: accepted images, as the union of one immutable Parquet file per batch."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.data.fingerprints import Fingerprints
from ml.data.storage import Place, found
from ml.data.tables import parquet_source, write_table

Read = TypeVar("Read")


class StoredImage(NamedTuple):
    """What tells whether an image that comes again brings something; null is not known yet."""

    label: str | None
    patient: str | None


_STATISTICS = (
    ("mean", pa.float64()),
    ("std", pa.float64()),
    ("contrast", pa.float64()),
    ("entropy", pa.float64()),
    ("sharpness", pa.float64()),
    ("black_share", pa.float64()),
    ("white_share", pa.float64()),
    ("colourfulness", pa.float64()),
    ("border_share", pa.float64()),
)

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("label", pa.string()),
        ("patient", pa.string()),
        ("study", pa.string()),
        ("series", pa.string()),
        ("acquired_on", pa.date32()),
        ("site", pa.string()),
        ("scanner", pa.string()),
        ("age", pa.int32()),
        ("sex", pa.string()),
        ("fingerprint", pa.string()),
        ("media_type", pa.string()),
        ("bits_stored", pa.int32()),
        ("file_bytes", pa.int64()),
        ("masked", pa.bool_()),
        ("text_lines", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        *_STATISTICS,
        ("phash", pa.uint64()),
        ("descriptor", pa.binary()),
        ("batch_id", pa.string()),
        ("ingested_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""One row an image. `label` is null while it waits for one. `patient`, `study` and `series` are
keyed pseudonyms or null, `acquired_on` is shifted by the patient's keyed number of days
(`ml.data.deidentify`); ages are years; `masked` says that burned-in text was blackened;
`descriptor` is that of `ml.data.appearance`. What was not known yet when a batch came in is null in
its rows."""

STATISTIC_COLUMNS = ("width", "height", *(name for name, _ in _STATISTICS))

_PRECEDENCE = ("image_id", "label", "ingested_at", "batch_id")
_KNOWN = (*_PRECEDENCE, "patient")
_SETTLED_KEY = b"vigie.settled_fingerprints"
_READ_AT_ONCE = 16


def manifest_files(folder: Place, *, except_batch: str | None = None) -> list[Place]:
    """The batches' files, ordered by name."""
    return [path for path in found(folder, "*.parquet") if path.stem != except_batch]


def each_file(read: Callable[[Place], Read], files: Sequence[Place]) -> Iterator[Read]:
    """Read files in order; a bucket's are waited for together."""
    if all(isinstance(path, Path) for path in files):
        yield from map(read, files)
        return
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        for start in range(0, len(files), _READ_AT_ONCE):
            yield from pool.map(read, files[start : start + _READ_AT_ONCE])


def read_manifest(folder: Place, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """All accepted rows, ordered by image id.

    An image that is listed more than once counts once: as it first came in with a label, else as it
    first came in. What that row leaves open is taken from the
    others, so that a label that came alone does not part an image from its patient.

    Args:
        columns: those to read; all of `SCHEMA` if None.
    """
    wanted = list(columns or SCHEMA.names)
    schema = pa.schema([SCHEMA.field(name) for name in dict.fromkeys([*wanted, *_PRECEDENCE])])
    tables = each_file(lambda path: read_columns(path, schema), manifest_files(folder))
    frame = pa.concat_tables([schema.empty_table(), *tables]).to_pandas()
    return _one_row_an_image(frame)[wanted]


def _one_row_an_image(frame: pd.DataFrame) -> pd.DataFrame:
    """Of rows with the columns `_PRECEDENCE`, the one that counts of each image, by image id."""
    again = frame["image_id"].duplicated(keep=False)
    if again.any():
        # `first` takes the first value of each column that is not null.
        ordered = frame[again].assign(waits=frame["label"].isna())
        ordered = ordered.sort_values(["waits", "ingested_at", "batch_id"], kind="stable")
        merged = ordered.groupby("image_id", as_index=False).first()
        frame = pd.concat([frame[~again], merged[frame.columns].astype(frame.dtypes)])
    return frame.sort_values("image_id", kind="stable", ignore_index=True)


def read_columns(path: Place, schema: pa.Schema) -> pa.Table:
    """The schema's columns of a Parquet file; those that it lacks are null."""
    with pq.ParquetFile(parquet_source(path)) as file:
        held = set(file.schema_arrow.names)
        table = file.read(columns=[name for name in schema.names if name in held])
    columns = [
        table[field.name].cast(field.type)
        if field.name in held
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def known_fingerprints(manifest_folder: Place) -> Fingerprints:
    """Fingerprints of all files of committed batches: accepted, repeated and rejected ones.

    Files of a batch that is held are not among them, so that a held batch comes back whole.
    """
    known = Fingerprints()
    for fingerprints in each_file(_settled_in, manifest_files(manifest_folder)):
        for name in fingerprints:
            known.add(name)
    return known


def _settled_in(path: Place) -> list[str]:
    with pq.ParquetFile(parquet_source(path)) as file:
        settled = json.loads((file.schema_arrow.metadata or {}).get(_SETTLED_KEY, b"[]"))
        return [*settled, *file.read(columns=["fingerprint"])["fingerprint"].to_pylist()]


def stored_images(
    manifest_folder: Place, image_ids: Collection[str], *, except_batch: str
) -> dict[str, StoredImage]:
    """Those of the images that other batches brought in before."""
    wanted = pa.array(sorted(image_ids), pa.string())
    schema = pa.schema([SCHEMA.field(name) for name in _KNOWN])

    def those_in(path: Place) -> pa.Table:
        table = read_columns(path, schema)
        return table.filter(pc.is_in(table["image_id"], wanted))

    tables = each_file(those_in, manifest_files(manifest_folder, except_batch=except_batch))
    frame = _one_row_an_image(pa.concat_tables([schema.empty_table(), *tables]).to_pandas())
    facts = (
        frame[name].astype(object).where(frame[name].notna(), None) for name in StoredImage._fields
    )
    return dict(zip(frame["image_id"], map(StoredImage, *facts), strict=True))


def last_deliveries(manifest_folder: Place, *, except_batch: str) -> dict[str, datetime]:
    """When each site's newest image came in, over all other batches."""
    schema = pa.schema([SCHEMA.field(name) for name in ("site", "ingested_at")])

    def newest_in(path: Place) -> pa.Table:
        return read_columns(path, schema).group_by("site").aggregate([("ingested_at", "max")])

    newest: dict[str, datetime] = {}
    others = manifest_files(manifest_folder, except_batch=except_batch)
    for per_site in each_file(newest_in, others):
        for row in per_site.to_pylist():
            if row["site"] is not None:
                site, at = row["site"], row["ingested_at_max"]
                newest[site] = max(at, newest.get(site, at))
    return newest


def commit_rows(
    manifest_folder: Place, batch_id: str, rows: pa.Table, *, settled: Sequence[str]
) -> Place:
    """Add a batch's accepted rows, atomically.

    Args:
        rows: follows `SCHEMA`.
        settled: fingerprints of the batch's other files, which are not to come back.
    """
    table = rows.select(SCHEMA.names).cast(SCHEMA)
    table = table.replace_schema_metadata({_SETTLED_KEY: json.dumps(sorted(settled))})
    path = manifest_folder / f"{batch_id}.parquet"
    write_table(table, path)
    return path
