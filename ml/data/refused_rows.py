"""Rows that validation refused: their files, as delivered, go to quarantine."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pyarrow as pa

from ml.contract.decoding import DecodeLimits
from ml.contract.errors import InputError
from ml.data.delivered import delivered
from ml.data.image_store import ImageStore
from ml.data.manifest import SCHEMA, read_columns
from ml.data.plan import read_plan, read_shard
from ml.data.quarantine import Quarantine
from ml.data.quarantine_record import Fault
from ml.data.results import IncomingImage
from ml.data.sealed import Seal
from ml.data.shards import ROWS_FILE
from ml.data.storage import Place, place

_AT_ONCE = 16
_KNOWN = ("label", "patient", "study", "acquired_on", "site", "scanner", "age", "sex")
_READ = pa.schema(SCHEMA.field(name) for name in ("image_id", "fingerprint", "file_bytes", *_KNOWN))


def quarantine_rows(
    batch_folder: Place,
    refused: Mapping[int, Sequence[Fault]],
    *,
    quarantine: Quarantine,
    store: ImageStore,
    seal: Seal,
    limits: DecodeLimits,
) -> None:
    """Put refused rows' files aside, as delivered; the stored image where a file is gone.

    Args:
        refused: faults by position in the batch's rows.
        seal: of the batch's plan.
    """
    table = read_columns(batch_folder / ROWS_FILE, _READ).take(pa.array([*refused], pa.int64()))
    rows = {
        row["fingerprint"]: (row, faults)
        for row, faults in zip(table.to_pylist(), refused.values(), strict=True)
    }

    def put_aside(image: IncomingImage, data: bytes | None) -> None:
        row, faults = rows[image.fingerprint]
        # A file that is not the size it had is not the file that was refused.
        whole = data is not None and len(data) == row["file_bytes"]
        quarantine.add(
            # What its header told is known by now, and kept for when the file comes back.
            image.model_copy(update={name: row[name] for name in _KNOWN}),
            data if whole else store.png(row["image_id"]),
            faults=faults,
            batch_id=batch_folder.name,
            content="delivered" if whole else "pixels",
            image_id=row["image_id"],
        )

    # Each waits for the disk or the network several times; together they wait hardly longer.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        files = _files(batch_folder, [*rows], quarantine, seal, limits)
        while some := [*islice(files, _AT_ONCE)]:
            list(pool.map(lambda file: put_aside(*file), some))


def _files(
    batch_folder: Place,
    fingerprints: Collection[str],
    quarantine: Quarantine,
    seal: Seal,
    limits: DecodeLimits,
) -> Iterator[tuple[IncomingImage, bytes | None]]:
    """Files of a batch with their bytes, None where they are gone; one shard in memory."""
    wanted = set(fingerprints)
    for index in range(read_plan(batch_folder).shards if wanted else 0):
        shard = read_shard(batch_folder, index, seal)
        chosen = [image for image in shard.files if image.fingerprint in wanted]
        for image, read in delivered(place(shard.source), chosen, limits):
            try:
                held = image.quarantined
                yield image, quarantine.content(held) if held else read()
            except (InputError, OSError):
                yield image, None
