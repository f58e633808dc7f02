"""The manifest as a whole: is it still what validation wrote?"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.data.checkpoint import Checkpoints, Outcome
from ml.data.manifest import (
    SCHEMA,
    STATISTIC_COLUMNS,
    each_file,
    manifest_files,
    read_columns,
)
from ml.data.storage import Place

MANIFEST_SUITE = "manifest.json"
_SHA256 = "^[0-9a-f]{64}$"
_READ = pa.schema(
    SCHEMA.field(name)
    for name in (
        *("image_id", "label", "patient", "batch_id", "phash", "descriptor"),
        *STATISTIC_COLUMNS,
    )
)


def check_manifest(
    manifest_folder: Place,
    *,
    suites: Path,
    parameters: Mapping[str, object],
    checkpoints: Checkpoints,
    joining: tuple[str, pa.Table] | None = None,
) -> tuple[Outcome, int]:
    """Run `manifest.json` over all rows as they are stored, repeated images included; tell how many
    rows that were.

    Args:
        parameters: of the suite.
        joining: a batch's id and rows, which are checked as if they were committed.
    """
    files = manifest_files(manifest_folder, except_batch=joining[0] if joining else None)
    tables = list(each_file(lambda path: _described(path.stem, read_columns(path, _READ)), files))
    if joining is not None:
        tables.append(_described(joining[0], joining[1].select(_READ.names)))
    tables = tables or [_described("", _READ.empty_table())]
    frame = _with_times_listed(pa.concat_tables(tables)).to_pandas()
    rows = len(frame)
    return checkpoints.run(suites / MANIFEST_SUITE, frame, parameters, {"rows": rows}), rows


def _described(batch_file: str, rows: pa.Table) -> pa.Table:
    """What the suite asks of each row; what it asks of texts is answered here, without copies."""
    columns = {
        "image_id": rows["image_id"],
        "label": rows["label"],
        "id_is_sha256": _flag(pc.match_substring_regex(rows["image_id"], _SHA256)),
        "in_own_file": _flag(pc.equal(rows["batch_id"], batch_file)),
        "has_phash": _flag(pc.is_valid(rows["phash"])),
        "has_descriptor": _flag(pc.is_valid(rows["descriptor"])),
        "has_patient": _flag(pc.is_valid(rows["patient"])),
    }
    return pa.table({**columns, **{name: rows[name] for name in STATISTIC_COLUMNS}})


def _flag(condition: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(condition, False).cast(pa.int8())


def _with_times_listed(rows: pa.Table) -> pa.Table:
    """`times_listed` in the place of what tells images apart, and what is known of them."""
    known = [pc.fill_null(rows[name], "") for name in ("image_id", "label")]
    known.append(rows["has_patient"].cast(pa.string()))
    keys = pc.binary_join_element_wise(*known, "\0").combine_chunks()
    codes = keys.dictionary_encode().indices.to_numpy()
    listed = np.bincount(codes)[codes] if len(codes) else codes
    return rows.drop_columns(["image_id"]).append_column("times_listed", [listed])
