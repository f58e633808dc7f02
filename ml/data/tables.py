"""Parquet files of a folder or a bucket."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ml.data.storage import Place, replacing

# Arrow's own allocators keep up to 20 MB that they do not use; the system's gives it back.
pa.set_memory_pool(pa.system_memory_pool())


def write_table(table: pa.Table, target: Place) -> None:
    """Write a Parquet file whole or not at all."""
    with replacing(target) as file:
        pq.write_table(table, file)


def parquet_source(source: Place) -> Any:
    """What pyarrow's Parquet functions take for a file: its path, or an open file of a bucket."""
    if isinstance(source, Path):
        return str(source)
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    return PyFileSystem(FSSpecHandler(source.fs)).open_input_file(source.path)
