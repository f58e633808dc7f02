"""Synthetic breast-ultrasound-like images: made-up patients for demos, tests and drills."""

from ml.data.phantoms.cohort import CohortSpec, write_cohort
from ml.data.phantoms.faults import FAULT_NAMES, Faults
from ml.data.phantoms.render import LABELS, phantom_bytes, render_phantom
from ml.data.phantoms.scanners import NEW_SCANNER, SCANNERS, Scanner

__all__ = [
    "FAULT_NAMES",
    "LABELS",
    "NEW_SCANNER",
    "SCANNERS",
    "CohortSpec",
    "Faults",
    "Scanner",
    "phantom_bytes",
    "render_phantom",
    "write_cohort",
]
