"""Rows that are computed once: arrays on disk, found again row by row.

A cache folder holds segments of rows of one kind: `<name>.npy` with the rows and, written after
it, `<name>.ids.json` with one identity a row. Segments never change, so that many processes can
read and add side by side; a grown dataset computes its new rows only.
"""

import json
import logging
import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.training.whole_file import whole_file

logger = logging.getLogger(__name__)

Rows = npt.NDArray


def forget_pages(rows: Rows) -> None:
    """Let go of what was read of a memory-mapped array; other arrays stay as they are.

    Pages once read count as memory of this process until the whole file is in it.
    """
    base: object = rows.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


class RowCache:
    """What is known in a folder at this moment. A damaged segment counts as unknown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, tuple[Rows, int]] = {}
        for path in sorted(folder.glob("*.ids.json")):
            self._read(path)

    def __contains__(self, identity: str) -> bool:
        """Whether a row is known."""
        return identity in self._places

    def __getitem__(self, identity: str) -> Rows:
        """A copy of the row of this identity."""
        rows, position = self._places[identity]
        row = rows[position].copy()
        forget_pages(rows)
        return row

    def add(
        self,
        name: str,
        identities: Sequence[str],
        blocks: Iterable[Rows],
        *,
        shape: Sequence[int],
        dtype: npt.DTypeLike,
    ) -> Path:
        """Write a segment block by block, so that memory stays flat.

        Args:
            blocks: arrays of shape (m, *shape), together one row an identity.

        Raises:
            DiskFull: there is no room.
        """
        path = self._folder / f"{name}.npy"
        whole_shape = (len(identities), *shape)
        needed = int(np.prod(whole_shape)) * np.dtype(dtype).itemsize
        with whole_file(path, needed) as partial, partial.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file,
                {
                    "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
                    "fortran_order": False,
                    "shape": whole_shape,
                },
            )
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype).data)
        ids = path.with_suffix(".ids.json")
        with whole_file(ids, len(identities) * 70) as partial:
            partial.write_text(json.dumps(list(identities)))
        self._read(ids)
        return path

    def _read(self, ids: Path) -> None:
        try:
            identities = json.loads(ids.read_text())
            path = ids.with_name(ids.name.replace(".ids.json", ".npy"))
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
            if len(rows) != len(identities):
                raise ValueError(f"{len(rows)} rows of {len(identities)}")
        except (OSError, ValueError, EOFError) as error:
            logger.warning("Cached rows in %s cannot be read and are made anew: %s", ids, error)
            return
        self._places.update({name: (rows, position) for position, name in enumerate(identities)})
