"""The landing zone: which files have arrived that were not ingested yet."""

import csv
import hashlib
import io
import json
import logging
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ml.contract.errors import InputError, NotFound, NothingToIngest
from ml.data.deidentify import Deidentifier
from ml.data.fingerprints import Fingerprints
from ml.data.listed import ListedMetadata, Row
from ml.data.listing import Listed, Listing, listing_of
from ml.data.pace import Pace
from ml.data.results import IncomingImage
from ml.data.storage import Place
from ml.params.data import UNLABELLED

logger = logging.getLogger(__name__)

CSV_FILE = "images.csv"


def discover(
    source: Place, *, labels: Sequence[str], by: Deidentifier, known: Container[str] = ()
) -> Iterator[IncomingImage]:
    """Find files that have not been ingested yet, each once, in an order that stays the same.

    From here on only a path may still name a patient; see `ml.data.listed`.

    Args:
        source: a folder of `<label>/*`; a folder with `images.csv`; a folder of such folders; or
            a CSV. A CSV has columns path, label and optional patient_id, study_id, date, site,
            scanner, age, sex; its paths are relative to it. Hidden files are skipped. A folder's
            name is the label; only what lies in `unlabelled/` has none.
        labels: the vocabulary.
        by: holds the key.
        known: fingerprints to skip.

    Raises:
        NotFound: there is no such folder or file.
        InputError: the CSV lacks a column or cannot be read.
        NothingToIngest: no file remains.
    """
    if not source.exists():
        raise NotFound(f"{source} does not exist.", remedy="Name a folder or a CSV file.")
    listed = ListedMetadata(labels, by)
    seen, files, fresh = Fingerprints(), 0, 0
    pace = Pace("Listing")
    for file, row in _scan(source):
        pace.step()
        image = _incoming(file, listed.keep(row), by)
        if image.fingerprint in seen:
            continue  # listed twice
        seen.add(image.fingerprint)
        files += 1
        if image.fingerprint not in known:
            fresh += 1
            yield image
    if listed.left_out:
        counts = ", ".join(f"{count} × {column}" for column, count in listed.left_out.items())
        logger.warning("Left out, as unreadable or like an identifier: %s.", counts)
    if not fresh:
        before = f" ({files} files were ingested before)" if files else ""
        raise NothingToIngest(
            f"{source} holds no new images{before}.",
            remedy=f"Put files into {source}/<label>/ with label one of {', '.join(labels)}, "
            f"or list them in {source}/{CSV_FILE}.",
        )
    logger.info("Found %d new files of %d.", fresh, files)


def with_released(
    incoming: Iterable[IncomingImage], released: Iterable[IncomingImage], *, known: Container[str]
) -> Iterator[IncomingImage]:
    """New files, then those that a person released from quarantine and that did not come in since.

    Raises:
        NothingToIngest: there is none of either; other errors as `discover`.
    """
    nothing: NothingToIngest | None = None
    try:
        yield from incoming
    except NothingToIngest as error:
        nothing = error
    for image in released:
        if image.fingerprint not in known:
            nothing = None
            yield image
    if nothing is not None:
        raise nothing


def source_folder(source: Place) -> Place:
    """The folder that the images' paths are relative to."""
    return source.parent if source.is_file() else source


def contents(zone: Place) -> tuple[int, str]:
    """Number of files and a digest of what they are; an `images.csv` speaks for all."""
    listing = listing_of(zone)
    speaker = listing.look_up(CSV_FILE)
    count, digest = 0, hashlib.sha256()
    for file in _everything(listing) if speaker.is_missing else [speaker]:
        count += 1
        digest.update(f"{file.name}\0{file.size}\0{file.version}\n".encode())
    return count, digest.hexdigest()


def _everything(listing: Listing) -> Iterator[Listed]:
    yield from listing.files()
    for folder in listing.folders():
        yield from listing.files_under(folder)


def _scan(source: Place) -> Iterator[tuple[Listed, Row]]:
    listing = listing_of(source_folder(source))
    if source.is_file():
        yield from _scan_csv(source, listing, prefix="")
    elif (source / CSV_FILE).is_file():
        yield from _scan_csv(source / CSV_FILE, listing, prefix="")
    else:
        for file in listing.files():
            yield file, {}
        for folder in listing.folders():
            csv_file = source / folder / CSV_FILE
            if csv_file.is_file():
                yield from _scan_csv(csv_file, listing, prefix=f"{folder}/")
            else:
                label = None if folder == UNLABELLED else folder
                for file in listing.files_under(folder):
                    yield file, {"label": label}


def _scan_csv(path: Place, listing: Listing, *, prefix: str) -> Iterator[tuple[Listed, Row]]:
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
        with path.open("rb") as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            if missing:
                raise InputError(
                    f"{path.name} lacks the column {', '.join(sorted(missing))}.",
                    remedy="Its first line must name at least path and label.",
                )
            for row in reader:
                name = (row.get("path") or "").strip().replace("\\", "/")
                yield listing.look_up(prefix + PurePosixPath(name).as_posix()), row
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path.name} cannot be read as CSV.", remedy="Save it as CSV in UTF-8."
        ) from error


def _incoming(file: Listed, kept: Mapping[str, object], by: Deidentifier) -> IncomingImage:
    identity = json.dumps([file.name, file.size, file.version, kept], sort_keys=True, default=str)
    # Keyed: a name in a path could be guessed from a plain hash.
    fingerprint = by.fingerprint(identity)
    return IncomingImage.model_validate({**kept, "path": file.name, "fingerprint": fingerprint})
