"""The landing zone: which files have arrived, and which of them are ingested together."""

import csv
import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ml.contract.errors import InputError, NotFound, NothingToIngest
from ml.data.deidentify import parse_age, parse_sex
from ml.data.results import BatchPlan, IncomingImage

logger = logging.getLogger(__name__)

CSV_FILE = "images.csv"


def discover(
    source: Path, *, labels: Sequence[str], known: Collection[str] = ()
) -> list[IncomingImage]:
    """Find files that have not been ingested yet, ordered by path.

    Args:
        source: a folder of `<label>/*`; a folder with `images.csv`; a folder of such folders; or
            a CSV. A CSV has columns path, label and optional patient_id, site, scanner, age, sex;
            its paths are relative to it. Hidden files are skipped. A folder's name becomes the
            label even if it is no label of ours: validation then names it.
        labels: the vocabulary, for the message when nothing is found.
        known: fingerprints to skip.

    Raises:
        NotFound: there is no such folder or file.
        InputError: the CSV lacks a column or cannot be read.
        NothingToIngest: no file remains.
    """
    if not source.exists():
        raise NotFound(f"{source} does not exist.", remedy="Name a folder or a CSV file.")
    found = {image.fingerprint: image for image in _scan(source)}
    fresh = [image for key, image in found.items() if key not in known]
    if not fresh:
        seen = f" ({len(found)} files were ingested before)" if found else ""
        raise NothingToIngest(
            f"{source} holds no new images{seen}.",
            remedy=f"Put files into {source}/<label>/ with label one of {', '.join(labels)}, "
            f"or list them in {source}/{CSV_FILE}.",
        )
    logger.info("Found %d new files of %d.", len(fresh), len(found))
    return sorted(fresh, key=lambda image: image.path)


def source_folder(source: Path) -> Path:
    """The folder that the images' paths are relative to."""
    return (source if source.is_dir() else source.parent).resolve()


def plan_batch(source: Path, incoming: Sequence[IncomingImage], *, shards: int) -> BatchPlan:
    """Cut the files into at most `shards` runs of equal length; the id follows from the files."""
    names = "\n".join(sorted(image.fingerprint for image in incoming))
    count = max(1, min(shards, len(incoming)))
    bounds = [len(incoming) * index // count for index in range(count + 1)]
    return BatchPlan(
        batch_id=hashlib.sha256(names.encode()).hexdigest()[:16],
        source=str(source_folder(source)),
        shards=[list(incoming[bounds[i] : bounds[i + 1]]) for i in range(count)],
    )


def _scan(source: Path) -> Iterator[IncomingImage]:
    if source.is_file():
        yield from _scan_csv(source, prefix="")
    elif (source / CSV_FILE).is_file():
        yield from _scan_csv(source / CSV_FILE, prefix="")
    else:
        for entry in _visible(source):
            if entry.is_file():
                yield _incoming(source, entry.name, {})
            elif (entry / CSV_FILE).is_file():
                yield from _scan_csv(entry / CSV_FILE, prefix=f"{entry.name}/")
            else:
                for path in _files_under(entry):
                    name = path.relative_to(source).as_posix()
                    yield _incoming(source, name, {"label": entry.name})


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _files_under(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir():
            yield from _files_under(path)
        else:
            yield path


def _scan_csv(path: Path, *, prefix: str) -> Iterator[IncomingImage]:
    root = path.parent
    unreadable_ages = 0
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            if missing:
                raise InputError(
                    f"{path.name} lacks the column {', '.join(sorted(missing))}.",
                    remedy="Its first line must name at least path and label.",
                )
            for row in reader:
                image = _incoming(root, row.get("path") or "", row, prefix=prefix)
                unreadable_ages += bool((row.get("age") or "").strip()) and image.age is None
                yield image
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path.name} cannot be read as CSV.", remedy="Save it as CSV in UTF-8."
        ) from error
    if unreadable_ages:
        logger.warning("%d ages are not in years and are left out.", unreadable_ages)


def _incoming(
    root: Path, name: str, row: Mapping[str, str | None], *, prefix: str = ""
) -> IncomingImage:
    values: dict[str, str | int | None] = {
        column: (row.get(column) or "").strip() or None
        for column in ("label", "patient_id", "site", "scanner")
    }
    values["age"] = parse_age(row.get("age"))
    values["sex"] = parse_sex(row.get("sex"))
    path = prefix + PurePosixPath(name.strip().replace("\\", "/")).as_posix()
    size, modified = _size_and_time(root, name.strip())
    identity = json.dumps([path, size, modified, values], sort_keys=True)
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    return IncomingImage.model_validate({**values, "path": path, "fingerprint": fingerprint})


def _size_and_time(root: Path, name: str) -> tuple[int, int]:
    """(−1, 0) for a file that is listed but not there: once it comes, it is a new file."""
    try:
        status = (root / name).stat()
    except (OSError, ValueError):
        return -1, 0
    return status.st_size, status.st_mtime_ns
