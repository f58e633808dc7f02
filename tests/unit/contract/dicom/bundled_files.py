"""What becomes of every file that pydicom brings along for its own tests.

`python -m tests.unit.contract.dicom.bundled_files --write` renews the expected facts and the table
in docs/dicom-files.md. Look at the pictures (`--pictures FOLDER`) before you commit either.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
from PIL import Image
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from ml.contract.decoding import DecodeLimits, Pixels, decode, image_id
from ml.contract.errors import InputError, SeveralFrames
from ml.contract.quiet_dicom import quiet_dicom
from ml.settings import PROJECT_ROOT

# Files of the package itself: pydicom's own search for them would go to the network.
FOLDER = Path(pydicom.data.__file__).parent / "test_files"
EXPECTED = Path(__file__).with_name("bundled_files.json")
PAGE = PROJECT_ROOT / "docs" / "dicom-files.md"
START, END = "<!-- table: bundled files -->", "<!-- end of table -->"
_LOSSY = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K}
_NAMED = 8
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a file's header says; empty where it says nothing."""

    syntax: UID
    photometric: str
    bits: str
    frames: str

    @property
    def is_exact(self) -> bool:
        """Whether every correct decoder gives the same pixels, on every processor."""
        return self.syntax not in _LOSSY and not self.photometric.startswith("YBR_FULL")


def bundled_files() -> list[str]:
    """Paths below `FOLDER`, in order."""
    found = (path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(path.relative_to(FOLDER).as_posix() for path in found)


@cache
def facts_of(file: str) -> dict[str, object]:
    """What `decode` makes of a file; of several frames, also what it makes of the middle one."""
    data, exact = (FOLDER / file).read_bytes(), claims_of(file).is_exact
    try:
        return _picture(decode(data).pixels, exact=exact)
    except SeveralFrames as error:
        middle = decode(data, DecodeLimits(frames="middle")).pixels
        return {"refused": error.code, "middle": _picture(middle, exact=exact)}
    except InputError as error:
        return {"refused": error.code, "message": error.message}


@cache
def claims_of(file: str) -> Claims:
    """Read a file's header; of what is no DICOM file nothing is claimed."""
    with quiet_dicom():
        try:
            dataset = pydicom.dcmread(FOLDER / file)
            allocated, stored = dataset.get("BitsAllocated", ""), dataset.get("BitsStored", "")
            return Claims(
                syntax=UID(dataset.file_meta.get("TransferSyntaxUID", "")),
                photometric=str(dataset.get("PhotometricInterpretation", "")),
                bits=f"{stored} of {allocated}" if allocated else "",
                frames=str(dataset.get("NumberOfFrames") or (1 if allocated else "")),
            )
        except Exception:  # deliberately broken files are among them
            return Claims(UID(""), "", "", "")


def table() -> str:
    """All files as a Markdown table; equal neighbours in a folder share a row."""
    lines = ["| file | transfer syntax | colour model | bits | frames | result |"]
    lines.append("|---|---|---|---|---|---|")
    for files, (claims, result) in _grouped():
        syntax = claims.syntax.name if claims.syntax else ""
        lines.append(
            f"| {_names(files)} | {syntax} | {claims.photometric} | {claims.bits} "
            f"| {claims.frames} | {result} |"
        )
    return "\n".join(lines)


def _grouped() -> Iterator[tuple[list[str], tuple[Claims, str]]]:
    group: list[str] = []
    last: tuple[Claims, str] | None = None
    for file in bundled_files():
        row = claims_of(file), _told(facts_of(file))
        is_alike = row == last and Path(file).parent == Path(group[-1]).parent
        if last is not None and not is_alike:
            yield group, last
            group = []
        group.append(file)
        last = row
    if last is not None:
        yield group, last


def _names(files: list[str]) -> str:
    first, others = files[0], [Path(file).name for file in files[1:]]
    if len(others) > _NAMED:
        return f"`{first}` to `{others[-1]}` ({len(files)} files)"
    return ", ".join(f"`{name}`" for name in (first, *others))


def _told(facts: dict[str, object]) -> str:
    if "refused" not in facts:
        return _size(facts)
    middle = facts.get("middle")
    told = f"refused: {facts['refused']}"
    return f"{told}; `middle`: {_size(middle)}" if isinstance(middle, dict) else told


def _size(facts: dict[str, object]) -> str:
    height, width, *channels = facts["shape"]  # type: ignore[misc]
    return f"{width}×{height} {'colour' if channels else 'grey'}"


def _picture(pixels: Pixels, *, exact: bool) -> dict[str, object]:
    shape = list(pixels.shape)
    if exact:
        return {"shape": shape, "sha256": image_id(pixels)}
    channels = pixels.reshape(-1, shape[2] if len(shape) == 3 else 1)
    levels = np.quantile(channels, _QUANTILES, axis=0).round(1).T.tolist()
    return {"shape": shape, "levels": levels}


def main() -> None:
    """Write facts and table, or pictures to look at."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew facts and table")
    parser.add_argument("--pictures", type=Path, help="folder for a PNG of every picture")
    arguments = parser.parse_args()
    if arguments.write:
        facts = {file: facts_of(file) for file in bundled_files()}
        EXPECTED.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        before, _, rest = PAGE.read_text().partition(START)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{START}\n{table()}\n{END}{after}")
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        for file in bundled_files():
            try:
                pixels = decode((FOLDER / file).read_bytes(), DecodeLimits(frames="middle")).pixels
            except InputError:
                continue
            Image.fromarray(pixels).save(arguments.pictures / f"{file.replace('/', '_')}.png")


if __name__ == "__main__":
    main()
