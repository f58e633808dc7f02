"""Phantom cohorts arriving in the landing zone, one more with every demo."""

import csv
from collections.abc import Callable
from pathlib import Path

from ml.data.phantoms import CohortSpec, Faults, write_cohort
from ml.data.results import CohortSummary

_FIRST_FAULTS = Faults.of_each(4)
_LATER_FAULTS = Faults.of_each(1)
# Intervals count patients: many with few images prove more than few with many.
_IMAGES_PER_PATIENT = (1, 3)


def deliver_cohort(
    landing: Path, *, images: int, on_progress: Callable[[int], None] | None = None
) -> CohortSummary:
    """Write one more cohort into the landing zone and list it in `images.csv`.

    The first has `images` good images, later ones a tenth of that: enough for a new dataset.
    """
    number = 1 + sum(1 for _ in landing.glob("cohort-*"))
    spec = CohortSpec(
        images=images if number == 1 else max(40, images // 10),
        seed=number,
        images_per_patient=_IMAGES_PER_PATIENT,
        faults=_FIRST_FAULTS if number == 1 else _LATER_FAULTS,
    )
    summary = write_cohort(spec, landing / f"cohort-{number:03d}", on_progress)
    list_cohorts(landing)
    return summary


def list_cohorts(landing: Path) -> Path:
    """Join all cohorts' lists into the landing zone's `images.csv`, replaced in one step."""
    rows: list[dict[str, str]] = []
    fields: list[str] = []
    for cohort in sorted(landing.glob("cohort-*/images.csv")):
        with cohort.open(newline="") as file:
            reader = csv.DictReader(file)
            fields = list(reader.fieldnames or fields)
            rows += [{**row, "path": f"{cohort.parent.name}/{row['path']}"} for row in reader]
    target = landing / "images.csv"
    temporary = landing / ".images.csv.part"
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=fields)
        writer.writeheader()
        writer.writerows(rows)
    return temporary.replace(target)
