"""Identifiers planted wherever a delivery can carry one, and a search for them in what is left."""

import base64
import csv
import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pydicom
from PIL import Image, PngImagePlugin
from pydicom import Dataset
from pydicom.sequence import Sequence

from ml.contract.quiet_dicom import quiet_dicom
from ml.data.phantoms.files import encode

NAME, NUMBER = "Zyxwvutsky", "9081726354"
BIRTH, STUDIED = "19610312", "20190417"
UID = f"1.2.826.0.1.3680043.8.{NUMBER}"
PLANTED = (NAME, NUMBER, BIRTH, "1961-03-12", "12.03.1961", STUDIED, "2019-04-17")
_PERSON = f"{NAME}^Jane"
_LEAST_CODED = 8
_TIFF_TAGS = {270: NAME, 315: _PERSON, 33432: NUMBER, 65000: NAME}


def plant_everywhere(cohort: Path) -> None:
    """Rewrite a phantom cohort so that every file and every row names its patient.

    Pixels, labels, sites and scanners stay; patients stay who they are under other names. Damaged
    and refused files that name a patient come on top.
    """
    listed = cohort / "images.csv"
    with listed.open(newline="") as file:
        rows = list(csv.DictReader(file))
    folder = cohort / f"{NAME} Jane {BIRTH}"
    folder.mkdir()
    for number, row in enumerate(rows):
        path = cohort / row["path"]
        suffix, data = _rewrite(path.suffix, path.read_bytes(), number)
        path.unlink()
        row["path"] = f"{folder.name}/{number:04d} {NAME}{suffix}"
        (cohort / row["path"]).write_bytes(data)
        if row["patient_id"]:
            row["patient_id"] = _patient_id(row["patient_id"])
        row |= _columns()
    rows += list(_faulty(cohort, folder.name))
    with listed.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _patient_id(known: str) -> str:
    return f"{NUMBER}-{known}"


def _columns() -> dict[str, str]:
    return {
        "study_id": UID,
        "date": "2019-04-17",
        "patient_name": _PERSON,
        "birth_date": "12.03.1961",
        "remark": f"calls herself {NAME}",
    }


def _rewrite(suffix: str, data: bytes, number: int) -> tuple[str, bytes]:
    match suffix:
        case ".dcm":
            return suffix, planted_dicom(data)
        case ".jpg":
            return suffix, _jpeg(data)
        case ".png" if number % 10 == 0:
            return ".tif", _tiff(data)
    return suffix, planted_png(data)


def planted_png(data: bytes) -> bytes:
    """The same pixels, with text chunks of every kind and an EXIF block."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", _PERSON)
    texts.add_text("Comment", NUMBER, zip=True)
    texts.add_itxt("Title", NAME, zip=False)
    exif = Image.Exif()
    exif[315] = _PERSON
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).save(file, "PNG", pnginfo=texts, exif=exif, compress_level=1)
    return file.getvalue()


def _jpeg(data: bytes) -> bytes:
    comment, exif = _PERSON.encode(), b"Exif\0\0MM\0*" + NUMBER.encode()
    segments = b"".join(
        bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in ((0xFE, comment), (0xED, exif))
    )
    return data[:2] + segments + data[2:]


def _tiff(data: bytes) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).save(file, "TIFF", tiffinfo=_TIFF_TAGS)
    return file.getvalue()


def planted_dicom(data: bytes, **changes: object) -> bytes:
    """A DICOM file that names its patient in standard, private, nested and file meta elements."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.PatientName = _PERSON
    dataset.PatientID = _patient_id(str(dataset.PatientID))
    dataset.PatientBirthDate = BIRTH
    dataset.OtherPatientIDs = NUMBER
    dataset.AccessionNumber = NUMBER
    dataset.InstitutionName = f"{NAME} Hospital"
    dataset.ReferringPhysicianName = _PERSON
    dataset.StudyDate = dataset.ContentDate = STUDIED
    dataset.StudyDescription = f"Control of {NAME}"
    dataset.SeriesDescription = NAME
    dataset.ImageComments = NAME
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{UID}.1", f"{UID}.1.1"
    dataset.FrameOfReferenceUID = f"{UID}.2"
    inner = Dataset()
    inner.PatientName, inner.ReferencedSOPInstanceUID = _PERSON, f"{UID}.3"
    dataset.ReferencedImageSequence = Sequence([inner])
    block = dataset.private_block(0x0009, f"{NAME} private", create=True)
    block.add_new(0x01, "LO", _PERSON)
    block.add_new(0x02, "UN", NUMBER.encode())
    dataset.file_meta.SourceApplicationEntityTitle = NAME
    dataset.preamble = (NAME.encode() * 13)[:128]
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    file = io.BytesIO()
    with quiet_dicom():
        dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _faulty(cohort: Path, folder: str) -> Iterator[dict[str, str]]:
    """Files that ingest or validation refuses, one of each kind."""
    noise = np.random.default_rng(7).integers(0, 256, (90, 100), dtype=np.uint8)
    plain = io.BytesIO()
    Image.fromarray(noise).save(plain, "PNG")
    png = planted_png(plain.getvalue())
    dicom = encode(noise, "application/dicom")
    files = {
        f"cut {NAME}.png": png[: len(png) // 2],
        f"note {NAME}.png": f"Patient {_PERSON}, {BIRTH}".encode(),
        f"cut {NAME}.dcm": planted_dicom(dicom)[:900],
        f"text {NAME}.dcm": planted_dicom(dicom, BurnedInAnnotation="YES"),
        f"charset {NAME}.dcm": planted_dicom(dicom, SpecificCharacterSet=NAME.upper()),
        f"unlisted {NAME}.png": planted_png(png),
        f"blank {NAME}.png": planted_png(_blank()),
    }
    for name, data in files.items():
        (cohort / folder / name).write_bytes(data)
        label = f"{NAME} Jane" if name.startswith("unlisted") else "normal"
        yield _faulty_row(f"{folder}/{name}", label)
    yield _faulty_row(f"{folder}/missing {NAME}.png", "normal")


def _blank() -> bytes:
    file = io.BytesIO()
    Image.new("L", (100, 100), 7).save(file, "PNG")
    return file.getvalue()


def _faulty_row(path: str, label: str) -> dict[str, str]:
    row = {"path": path, "label": label, "patient_id": NUMBER, "site": _PERSON, "scanner": NUMBER}
    return row | {"age": NAME, "sex": ""} | _columns()


def planted_in(data: bytes) -> set[str]:
    """Which identifiers stand in the bytes, in any form that text takes on its way."""
    folded = data.lower()
    return {text for text, forms in _FORMS.items() if any(form in folded for form in forms)}


def planted_under(folder: Path) -> dict[str, set[str]]:
    """Path → identifiers found in its name or in what it holds; files without any are left out."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hits = planted_in(name.encode())
        if path.is_file():
            for content in contents(path):
                hits |= planted_in(content)
        if hits:
            found[name] = hits
    return found


def _forms(text: str) -> list[bytes]:
    plain = text.lower().encode()
    wide = [text.lower().encode(codec) for codec in ("utf-16-le", "utf-16-be")]
    # In base64 a text looks different at each of three offsets; its inner characters do not.
    coded = [
        base64.b64encode(b"\0" * shift + form.encode())[4 * (shift > 0) : -4].lower()
        for shift in range(3)
        for form in (text, text.lower(), text.upper())
    ]
    # Shorter pieces would be found by chance.
    coded = [piece for piece in coded if len(piece) >= _LEAST_CODED]
    return [plain, *wide, plain.hex().encode(), text.encode().hex().encode(), *coded]


_FORMS = {text: _forms(text) for text in PLANTED}


def contents(path: Path) -> Iterator[bytes]:
    """The file's bytes, and what they unpack to."""
    data = path.read_bytes()
    yield data
    if data[:4] == b"PAR1":
        file = pq.ParquetFile(path)
        yield str(file.schema_arrow.metadata).encode()
        for batch in file.iter_batches():
            yield "\n".join(str(column.to_pylist()) for column in batch.columns).encode()
    elif data[:16] == b"SQLite format 3\0":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode()
    elif data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(path) as image:
            with suppress(OSError):  # cut short
                image.load()
            yield str(image.info).encode()
