"""What waits in the landing zone, as stage 1 would see it."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ml.contract.errors import NothingToIngest
from ml.data.results import IncomingImage
from ml.data.storage import Place, reaching
from ml.journey.workspace import Workspace
from ml.params import Params

_ASKED_IN_A_BUCKET = 500


class Waiting(NamedTuple):
    """Files that have landed and are neither accepted nor rejected; when the first of them came.

    Those of a batch that is held, or not validated yet, wait, too.
    """

    files: int
    oldest: datetime | None


def waiting(workspace: Workspace, params: Params) -> Waiting:
    """Look through the landing zone without taking anything.

    A bucket is asked one by one when its files came, so `oldest` looks at the first 500 there.

    Raises:
        NotFound: there is no landing zone.
        InputError: its CSV cannot be read.
        Unavailable: a bucket does not answer.
    """
    from ml.data.deidentify import Deidentifier
    from ml.data.landing import discover, source_folder
    from ml.data.manifest import known_fingerprints

    folder = source_folder(workspace.landing)
    with reaching():
        incoming = discover(
            workspace.landing,
            labels=params.data.labels,
            by=Deidentifier(workspace.pseudonym_key()),
            known=known_fingerprints(workspace.manifest),
        )
        files, oldest = 0, float("inf")
        try:
            first = [*islice(incoming, _ASKED_IN_A_BUCKET)]
            oldest = min(_arrived(folder, image) for image in first)
            files = len(first)
            for image in incoming:
                files += 1
                if isinstance(folder, Path):
                    oldest = min(oldest, _arrived(folder, image))
        except NothingToIngest:
            return Waiting(0, None)
    if oldest == float("inf"):  # listed, but missing
        return Waiting(files, None)
    return Waiting(files, datetime.fromtimestamp(oldest, UTC))


def _arrived(folder: Place, image: IncomingImage) -> float:
    try:
        status = (folder / image.path).stat()
    except OSError:
        return float("inf")
    # A copied file may carry an old modification time; its last change here is its arrival.
    return float(status.st_ctime if isinstance(folder, Path) else status.st_mtime)
