"""Faults to plant in a cohort: what a landing zone really receives."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from ml.data.phantoms.files import encode


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One line of `images.csv`; empty text where the value is unknown."""

    path: str
    label: str
    patient_id: str = ""
    site: str = ""
    scanner: str = ""
    age: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Faults:
    """How many files of each fault are added to the cohort.

    - `truncated`: a PNG cut in half
    - `tiny`: 12×12 pixels
    - `duplicate`: a byte-for-byte copy under another name
    - `mislabeled_twin`: the same pixels with another label
    - `missing_patient`: a good image without patient
    - `not_an_image`: text named `.png`
    - `unknown_label`: a good image with a label outside the vocabulary
    """

    truncated: int = 0
    tiny: int = 0
    duplicate: int = 0
    mislabeled_twin: int = 0
    missing_patient: int = 0
    not_an_image: int = 0
    unknown_label: int = 0

    @classmethod
    def of_each(cls, count: int = 1) -> "Faults":
        """`count` files of every fault."""
        return cls(**dict.fromkeys(FAULT_NAMES, count))

    @property
    def counts(self) -> dict[str, int]:
        """Fault → number of files, in the order of the fields."""
        return asdict(self)


FAULT_NAMES = tuple(field.name for field in fields(Faults))
NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class FaultSource:
    """What faults are made from: good PNG rows, and a renderer of fresh images."""

    folder: Path
    rows: Sequence[CohortRow]
    labels: Sequence[str]
    fresh_image: Callable[[np.random.Generator, str], bytes]


def plant(faults: Faults, source: FaultSource, rng: np.random.Generator) -> list[CohortRow]:
    """Write the faulty files into the cohort's folder and return their rows."""
    rows = []
    for fault, count in faults.counts.items():
        for number in range(count):
            template = source.rows[int(rng.integers(len(source.rows)))]
            row, data = _spoil(fault, template, source, rng)
            row = replace(row, path=f"images/fault-{fault}-{number}.png")
            (source.folder / row.path).write_bytes(data)
            rows.append(row)
    return rows


def _spoil(
    fault: str, row: CohortRow, source: FaultSource, rng: np.random.Generator
) -> tuple[CohortRow, bytes]:
    """A row and a file's bytes with one fault, made after a good row."""
    match fault:
        case "truncated":
            data = source.fresh_image(rng, row.label)
            return row, data[: len(data) // 2]
        case "tiny":
            return row, encode(rng.integers(0, 256, (12, 12), dtype=np.uint8), "image/png")
        case "duplicate":
            return row, (source.folder / row.path).read_bytes()
        case "mislabeled_twin":
            others = [label for label in source.labels if label != row.label]
            label = others[int(rng.integers(len(others)))]
            return replace(row, label=label), (source.folder / row.path).read_bytes()
        case "missing_patient":
            return replace(row, patient_id=""), source.fresh_image(rng, row.label)
        case "not_an_image":
            return row, b"This is a note, not an image.\n" + rng.bytes(64)
        case "unknown_label":
            return replace(row, label="unclear"), source.fresh_image(rng, row.label)
    raise ValueError(f"There is no fault {fault!r}.")
