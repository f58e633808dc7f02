"""Text burned into pixels: whether a DICOM header leaves room for it, and masking it away."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from ml.contract.decoding import Pixels
from ml.contract.dicom.annotation import TextVerdict, text_verdict
from ml.contract.dicom.values import items, text, whole_number
from ml.contract.errors import InputError
from ml.data.text_lines import count_text_lines
from ml.params import DataParams
from ml.params.data import BurnedInPolicy

Region = tuple[int, int, int, int]
"""An ultrasound region's first and last column and row: x0, y0, x1, y1, inclusive."""

_CORNERS = ("MinX0", "MinY0", "MaxX1", "MaxY1")
_WHOLE_PICTURE = 0.98


class BurnedInText(InputError):
    """The pixels hold text, or may hold it, that cannot be masked or must not be."""

    code = "burned-in-text"


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a header says of text in its pixels.

    `text` is `declared` by BurnedInAnnotation YES, `suspected` of kinds of images that usually
    carry text and do not say NO, else `none`. `regions` are where the picture itself is, on a grid
    of `rows` × `columns` pixels.
    """

    text: TextVerdict = "none"
    regions: tuple[Region, ...] = ()
    rows: int = 0
    columns: int = 0


def annotation_of(dataset: Dataset) -> Annotation:
    """Judge a DICOM header; unreadable values count as missing."""
    if text(dataset, "BurnedInAnnotation") == "NO":
        return Annotation()
    return Annotation(
        text=text_verdict(dataset),
        regions=tuple(_regions(items(dataset, "SequenceOfUltrasoundRegions"))),
        rows=whole_number(dataset, "Rows") or 0,
        columns=whole_number(dataset, "Columns") or 0,
    )


def without_text(
    pixels: Pixels, annotation: Annotation, policy: BurnedInPolicy
) -> tuple[Pixels, bool]:
    """The pixels as they may be stored, and whether a part of them was blackened.

    Under `mask`, what lies outside an ultrasound image's regions becomes black: there scanners
    write names, dates and settings.

    Args:
        pixels: uint8, (height, width) or (height, width, 3).

    Raises:
        BurnedInText: under `refuse`, text is declared or suspected; under `mask`, no regions say
            where it is.
    """
    if annotation.text == "none" or policy == "accept":
        return pixels, False
    reason = (
        "The header declares text in the pixels."
        if annotation.text == "declared"
        else "Images of this kind usually carry text, and the header does not exclude it."
    )
    if policy == "refuse":
        raise BurnedInText(
            reason,
            remedy="Deliver it without text and with BurnedInAnnotation NO, or review "
            "data.burned_in.",
        )
    picture = _picture(pixels.shape[:2], annotation)
    if picture is None or picture.mean() > _WHOLE_PICTURE:
        raise BurnedInText(
            f"{reason} No region tells where the picture ends and text begins.",
            remedy="Deliver it without text and with BurnedInAnnotation NO.",
        )
    masked = np.where(picture if pixels.ndim == 2 else picture[..., None], pixels, np.uint8(0))
    return masked, True


def look_for_text(pixels: Pixels, fingerprint: str, params: DataParams) -> int | None:
    """Lines of text seen in the pixels; None if the file is not among those that are looked at.

    Args:
        fingerprint: hex; chooses the share of files that are looked at, the same on every day.

    Raises:
        BurnedInText: there are some, and `text_seen` is `refuse`.
    """
    if int(fingerprint[:8], 16) >= params.text_check_share * 16**8:
        return None
    lines = count_text_lines(pixels)
    if lines and params.text_seen == "refuse":
        raise BurnedInText(
            "Lines of text seem to be drawn into the image.",
            remedy="Deliver it without text, or review data.text_seen.",
        )
    return lines


def _picture(shape: tuple[int, ...], annotation: Annotation) -> np.ndarray | None:
    """Which pixels lie in a region. Decoding may have rescaled the picture; regions follow it."""
    if not annotation.regions or annotation.rows < 1 or annotation.columns < 1:
        return None
    down, across = shape[0] / annotation.rows, shape[1] / annotation.columns
    inside = np.zeros(shape, bool)
    for x0, y0, x1, y1 in annotation.regions:
        rows = slice(int(np.ceil(y0 * down)), int((y1 + 1) * down))
        columns = slice(int(np.ceil(x0 * across)), int((x1 + 1) * across))
        inside[rows, columns] = True
    return inside


def _regions(regions: Iterable[Dataset]) -> Iterator[Region]:
    for region in regions:
        corners = [whole_number(region, f"RegionLocation{end}") for end in _CORNERS]
        x0, y0, x1, y1 = (-1 if corner is None else corner for corner in corners)
        if 0 <= x0 < x1 and 0 <= y0 < y1:
            yield x0, y0, x1, y1
