"""Findings and headers for the objects that are built of them."""

import io

import numpy as np
from PIL import Image
from pydicom import Dataset

from ml.data.phantoms.files import StudyHeader, encode
from ml.pacs.results import ImageFinding
from ml.pacs.source import read_source
from tests.fakes.tiny_bundle import tiny_pixels

BUNDLE = "ab" * 32
PIXELS = tiny_pixels(128, height=90, width=120)


def header(number: int = 0) -> Dataset:
    """Of a phantom study, which names no birth date and no accession number."""
    return read_source(encode(PIXELS, "application/dicom", StudyHeader(number=number)))


def heat_map() -> bytes:
    """Wholly red on the left, nothing on the right."""
    colours = np.zeros((3, 4, 4), np.uint8)
    colours[:, :2] = (255, 0, 0, 255)
    file = io.BytesIO()
    Image.fromarray(colours, "RGBA").save(file, "PNG")
    return file.getvalue()


def finding(source: Dataset, *, label: str = "benign", heat: bytes | None = None) -> ImageFinding:
    return ImageFinding(
        sop_instance_uid=source.SOPInstanceUID,
        request_id="request-1",
        label=label,
        decision="refer",
        reasons=["low confidence", "close to the malignant threshold"],
        probabilities={"normal": 0.2, "benign": 0.5, "malignant": 0.3},
        model="vigie",
        version="7",
        bundle=BUNDLE,
        heat_map=heat,
    )
